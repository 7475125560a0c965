# The local runtime in a container, for docker-compose.localstack.yml. Functions on AWS are not containers.
FROM python:3.11-slim

RUN useradd --create-home orderflow
WORKDIR /srv/orderflow
COPY requirements-run.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements-run.txt
COPY pyproject.toml ./
COPY chalicelib ./chalicelib
COPY infra ./infra
COPY chalice_offline ./chalice_offline
COPY chalice_app ./chalice_app
USER orderflow
# The code belongs to root; what the runtime keeps between runs goes where its user may write.
ENV ORDERFLOW_HOME=/home/orderflow/state PYTHONDONTWRITEBYTECODE=1

# Signals reach the runtime itself, which stops what it started.
CMD ["python", "-m", "infra.run", "start", "--no-reload"]
