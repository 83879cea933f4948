"""Compiles pipelines for the cluster of the tests, and reads them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from pipelines.compiling import compile_pipeline
from pipelines.settings import load_settings

CLUSTER = Path(__file__).with_name("cluster.yaml")


@cache
def compiled_text(name: str) -> str:
    """The YAML of a pipeline for that cluster."""
    return compile_pipeline(name, load_settings(CLUSTER))


def parse(text: str) -> tuple[dict, dict]:
    """The pipeline, and what it says of Kubernetes: executor name to settings."""
    pipeline, platforms = YAML(typ="safe").load_all(text)
    return pipeline, platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def executors(pipeline: dict) -> dict:
    """Executor name to its container."""
    return {name: entry["container"] for name, entry in pipeline["deploymentSpec"]["executors"].items()}


def tasks(pipeline: dict) -> dict:
    """Every task of every level, by name."""
    dags = [
        pipeline["root"]["dag"],
        *(entry["dag"] for entry in pipeline["components"].values() if "dag" in entry),
    ]
    return {name: task for dag in dags for name, task in dag["tasks"].items()}
