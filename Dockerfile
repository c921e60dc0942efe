# The image of `plumbline`. See deploy/README.md for how to build and run it.
#
# Builder and runtime use the same image, because the virtual environment refers to its Python. For a release, pass a
# digest: --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS builder

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /src

# The build backend, locked like everything else; --no-build-isolation below keeps pip from fetching another one.
RUN printf '%s\n' \
      'setuptools==84.2.1 --hash=sha256:3ff8b3b5492a0aa66960f4419365a86b84e013070d4313e4d4a6894f5d64d6bc --hash=sha256:ca140b45d5325a9478f880e351484f62fef15f336462e449ca0c03c873d589c2' \
      > build.lock \
 && pip install --require-hashes --only-binary :all: --requirement build.lock \
 && python -m venv --without-pip /opt/plumbline

# Dependencies before the source: a change of the source does not install them again.
COPY requirements-run.lock ./
RUN pip --python /opt/plumbline/bin/python install --no-compile --require-hashes --only-binary :all: \
      --requirement requirements-run.lock

COPY pyproject.toml README.md LICENSE NOTICE ./
COPY controller/ ./controller/
# The root file system may be read-only, so bytecode is written here. Its validity does not depend on file times.
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && pip --python /opt/plumbline/bin/python install --no-compile --no-deps --no-index /dist/plumbline-*.whl \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/plumbline/lib


FROM ${PYTHON_IMAGE} AS runtime

ARG VERSION=0.1.0
ARG REVISION=""
ARG CREATED=""

LABEL org.opencontainers.image.title="plumbline" \
      org.opencontainers.image.description="Keeps AWS IAM roles at the access they really use." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"

# Nothing is installed at run time, so the installers go.
RUN groupadd --gid 65532 plumbline \
 && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /var/lib/plumbline --shell /usr/sbin/nologin plumbline \
 && install --directory --owner 65532 --group 65532 --mode 0750 /var/lib/plumbline \
 && python -m pip uninstall --yes --root-user-action=ignore setuptools wheel pip

COPY --from=builder /opt/plumbline /opt/plumbline
COPY LICENSE NOTICE /usr/share/doc/plumbline/

ENV PATH=/opt/plumbline/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# What is written: state below the working directory, which is to be a volume, and temporary files in /tmp.
WORKDIR /var/lib/plumbline
USER 65532:65532
STOPSIGNAL SIGTERM
ENTRYPOINT ["plumbline"]
