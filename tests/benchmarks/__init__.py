"""Tests of the benchmarks, at sizes that say nothing about speed."""
