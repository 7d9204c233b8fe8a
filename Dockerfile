# Two stages: the first builds the environment from the hashed lock, the second runs it as nobody in particular.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
RUN python -m venv /opt/dailies
ENV PATH="/opt/dailies/bin:$PATH"
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY bot ./bot
COPY cogs ./cogs
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="Dailies" org.opencontainers.image.licenses="MIT AND GPL-2.0-or-later"
RUN apt-get update \
    && apt-get install -y --no-install-recommends fonts-dejavu-core fonts-wqy-microhei \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --create-home dailies
COPY --from=build /opt/dailies /opt/dailies
COPY LICENSE NOTICE /usr/share/doc/dailies/
ENV PATH="/opt/dailies/bin:$PATH" DAILIES_DATA_DIR=/data DAILIES_WEB_HOST=0.0.0.0 DAILIES_LOG_FORMAT=json MPLCONFIGDIR=/tmp
USER dailies
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('DAILIES_WEB_PORT', '8080')}/healthz\", timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["dailies"]
CMD ["run"]
