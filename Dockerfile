# The image of rebate_monitor: `docker compose build`, or `docker build --tag rebate-monitor:0.1.0 .`
# In a network without Docker Hub and PyPI say where their mirrors are:
# `--build-arg PYTHON_IMAGE=…`, `--build-arg PIP_INDEX_URL=…`; compose reads both from `.env`.
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ARG PIP_INDEX_URL
WORKDIR /src
RUN python3 -m venv /opt/rebate-monitor
COPY requirements.lock ./
RUN /opt/rebate-monitor/bin/pip install --disable-pip-version-check --require-hashes --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY rebate_monitor rebate_monitor
COPY sql sql
RUN /opt/rebate-monitor/bin/pip install --disable-pip-version-check --no-deps .

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="rebate_monitor" \
      org.opencontainers.image.description="Working-day clocks, figures and breach alerts for export tax rebates" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# The same path as where it was built: the scripts of a venv name their interpreter by it.
COPY --from=build /opt/rebate-monitor /opt/rebate-monitor
ENV PATH=/opt/rebate-monitor/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    REBATE_HOST=0.0.0.0 \
    REBATE_PORT=8080 \
    REBATE_LOG_FORMAT=json
# A number, so that a host can see that it is not root. It owns no file and needs none: PostgreSQL is
# elsewhere (REBATE_DATABASE_URL), and the root file system may be read-only.
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['REBATE_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["rebate-monitor"]
CMD ["serve"]
