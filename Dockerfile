# One image; the command picks what runs:
#   python -m worker --role ops        workflows, Kubernetes and database activities
#   python -m worker --role signer     signing activities alone
#   python -m bot                      Slack
#   python -m gateway.setup            namespace and search attributes in Temporal, once
#   /crdbops/certagent                 init container of the database pods
#
# Nothing in it has to be written to, and no user name matters: it runs read-only under any uid. In an installation that
# has to be the same bytes every time, put the base image's digest behind its tag.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY deploy/image/build.lock deploy/image/runtime.lock /locks/
RUN python -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --only-binary :all: --requirement /locks/build.lock \
    && python -m venv /opt/crdbops \
    && /opt/crdbops/bin/pip install --require-hashes --only-binary :all: --requirement /locks/runtime.lock
COPY . .
RUN /opt/build/bin/python -m hatchling build --target wheel --directory /wheels \
    && /opt/crdbops/bin/pip install --no-index --no-deps /wheels/*.whl \
    && /opt/crdbops/bin/pip uninstall --yes setuptools pip \
    && /opt/crdbops/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/crdbops/lib

FROM python:3.11.14-slim-bookworm
RUN groupadd --gid 10001 crdbops \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin crdbops
COPY --from=build /opt/crdbops /opt/crdbops
COPY --chmod=0755 deploy/image/certagent /crdbops/certagent
ENV PATH=/opt/crdbops/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /
CMD ["python", "-m", "worker", "--help"]
