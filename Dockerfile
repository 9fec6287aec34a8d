# The bot as README.md runs it: pinned and hashed requirements, `python -m bot`, one folder that outlives it.
FROM python:3.11-slim AS requirements
COPY requirements.txt .
RUN python -m venv /opt/venv \
 && /opt/venv/bin/python -m pip install --quiet --disable-pip-version-check --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.11-slim
RUN useradd --system --uid 10001 --user-group --home-dir /data --shell /usr/sbin/nologin variance \
 && install --directory --owner=variance --group=variance --mode=0700 /data
COPY --from=requirements /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE ./
COPY config config
COPY engine engine
COPY bot bot
RUN /opt/venv/bin/python -m compileall -q bot engine

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    VARIANCE_DATABASE=/data/variance.db \
    VARIANCE_CACHE=/data/cache \
    VARIANCE_HTTP_HOST=0.0.0.0 \
    VARIANCE_HTTP_PORT=8080
USER variance
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# Past any proxy of the environment: the page is on this machine.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ['VARIANCE_HTTP_PORT']}/healthz\", timeout=4)"]
ENTRYPOINT ["python", "-m", "bot"]
