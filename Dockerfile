# Two stages: the first installs into a virtual environment, the second holds that and nothing else.
# It runs as a user without rights on a root that may be read-only: /data is what is written, and
# /kernels the compiled kernels, made here so that a first start does not wait for them.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
# What it depends on changes seldom: a layer of its own.
RUN pip install --quiet -c constraints.txt . && pip uninstall --quiet --yes counterpoint
COPY protocol protocol
COPY market market
COPY risk risk
COPY exchange exchange
COPY agents agents
COPY desk desk
RUN pip install --quiet --no-deps .

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin counterpoint \
    && install -d -m 1777 /data /session /kernels
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH HOME=/tmp COUNTERPOINT_KERNELS=/kernels \
    COUNTERPOINT__DATA=/data PYTHONUNBUFFERED=1
WORKDIR /data
USER counterpoint
# Kernels are named by all that they depend on, so those of an earlier build are good to take.
RUN --mount=type=cache,id=counterpoint-kernels,target=/tmp/kernels,uid=10001,gid=10001 \
    COUNTERPOINT_KERNELS=/tmp/kernels python -c "from market.warm import warm; warm()" \
    && cp /tmp/kernels/*.kernel /kernels/
ENTRYPOINT ["counterpoint"]
