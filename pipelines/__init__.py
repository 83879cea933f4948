"""The wiring of the components: pipelines, their settings on a cluster, and the commands that run them."""
