# Serves an ONNX or OpenVINO file of a run in ./outputs, without torch: docker compose up, or
#   docker build -t runner . && docker run --rm -p 127.0.0.1:8080:8080 -v ./app/model:/model:ro runner
# /model is the folder `model` that `python -m runner package RUN --output app` writes.
FROM python:3.12-slim AS packages
COPY requirements.lock /
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --constraint /requirements.lock \
    fastapi uvicorn uvloop httptools python-multipart prometheus-client numpy pillow onnxruntime

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 runner
COPY --from=packages /venv /venv
WORKDIR /app
COPY src/runner /app/runner
USER runner
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=2)"]
CMD ["python", "-m", "runner.serving", "/model", "--host", "0.0.0.0"]
