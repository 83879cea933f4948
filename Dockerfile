# The image that every step of the Kubeflow pipelines runs in (docs/cluster.md).
#   make image                                on processors
#   make image ACCELERATOR=cuda               with NVIDIA's libraries for TensorFlow
#   make image ACCELERATOR=cuda-jax           with those for JAX (image.backend: jax in pipelines/config.yaml)
# Needs nothing of the build machine but the files of .dockerignore's exceptions.

# Python 3.11 on Debian 12; the tag is for people, the digest decides.
ARG PYTHON=python:3.11-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba

FROM ${PYTHON} AS build
ARG ACCELERATOR=cpu
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/ferflow
ENV PATH=/opt/ferflow/bin:$PATH
WORKDIR /build
# What is locked changes less often than the code: a layer of its own.
COPY requirements.txt ./
RUN pip install --require-hashes --requirement requirements.txt
# NVIDIA's libraries are not in the lock, which is for all machines: TensorFlow and JAX say which ones fit them,
# and what is installed already stays as it is.
RUN case "$ACCELERATOR" in \
      cpu) exit 0 ;; \
      cuda) package=tensorflow extra=and-cuda ;; \
      cuda-jax) package=jax extra=cuda12 ;; \
      *) echo "ACCELERATOR is '$ACCELERATOR', expected cpu, cuda or cuda-jax" >&2; exit 1 ;; \
    esac \
    && pip freeze > installed.txt \
    && version="$(sed -n "s/^${package}==//p" installed.txt)" \
    && pip install --constraint installed.txt "${package}[${extra}]==${version}"
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src ./src
# The version, which git would say; `make image` gives it.
ARG VERSION=0.0
RUN SETUPTOOLS_SCM_PRETEND_VERSION_FOR_FERFLOW="$VERSION" pip install --no-deps --no-build-isolation .

FROM ${PYTHON} AS run
# A number, so that Kubernetes can see that it is not root.
RUN groupadd --gid 10001 ferflow \
    && useradd --uid 10001 --gid ferflow --create-home ferflow
COPY --from=build /opt/ferflow /opt/ferflow
ENV PATH=/opt/ferflow/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TF_CPP_MIN_LOG_LEVEL=2 \
    HOME=/home/ferflow
# The commit of this code, which runs name in their tag git.commit; `make image` gives it.
ARG COMMIT=""
ARG DIRTY=""
ARG VERSION=0.0
LABEL org.opencontainers.image.title="ferflow" \
      org.opencontainers.image.description="The steps of ferflow's pipelines: facial emotion recognition on FER-2013" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT" \
      org.opencontainers.image.base.name="python:3.11-slim-bookworm"
ENV FERFLOW_GIT_COMMIT=$COMMIT \
    FERFLOW_GIT_DIRTY=$DIRTY
USER 10001:10001
WORKDIR /home/ferflow
CMD ["ferflow", "--help"]
