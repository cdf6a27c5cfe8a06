# Two stages: the first installs into a virtual environment, the second holds that and nothing else.
# It runs as a user without rights on a root that may be read-only: /data is what is written, and
# /kernels the compiled kernels, /bundled the artificial day, made here so that a first start does
# not wait for them.
FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PIP_PYTHON=/venv/bin/python
RUN apt-get update -qq && apt-get install -qq --yes --no-install-recommends binutils >/dev/null
RUN python -m venv --without-pip /venv
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
# Further extras, each after a comma; `cluster` brings Ray.
ARG MORE=
# What it depends on changes seldom: a layer of its own, without what only its makers need: tests,
# sources of compiled modules, symbols for a debugger (libraries that pip moved are left as they are).
RUN pip install --quiet --no-compile -c constraints.txt ".[desk,postgres${MORE}]" && pip uninstall --quiet --yes counterpoint \
    && cd /venv/lib/python3.11/site-packages \
    && find . -type d \( -name tests -o -name SelfTest \) -prune -exec rm -rf {} + \
    && find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.[cha]' \) -delete \
    && find . -type f -name '*.so*' -not -path '*.libs/*' -exec strip --strip-unneeded {} +
COPY protocol protocol
COPY market market
COPY risk risk
COPY exchange exchange
COPY agents agents
COPY desk desk
RUN pip install --quiet --no-compile --no-deps .

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin counterpoint \
    && install -d -m 1777 /data /session /kernels /bundled
COPY --from=build /venv /venv
# Threads share two heaps: each of its own would keep what it once needed.
ENV PATH=/venv/bin:$PATH HOME=/tmp COUNTERPOINT_KERNELS=/kernels MALLOC_ARENA_MAX=2 \
    COUNTERPOINT__DATA=/data PYTHONUNBUFFERED=1
WORKDIR /data
# Bytecode of what is imported: a root that cannot be written would compile it at every start.
RUN --mount=type=bind,source=deploy,target=/tmp/deploy \
    python /tmp/deploy/imports.py protocol market risk exchange agents desk
USER counterpoint
# Kernels are named by all that they depend on, so those of an earlier build are good to take.
RUN --mount=type=cache,id=counterpoint-kernels,target=/tmp/kernels,uid=10001,gid=10001 \
    export COUNTERPOINT_KERNELS=/tmp/kernels \
    && python -c "from market.warm import warm; warm()" && cp /tmp/kernels/*.kernel /kernels/ \
    && python -c "from pathlib import Path; from exchange.importers.synthetic import synthetic_recording as day; from exchange.recording import save; save(Path('/bundled/day.npz'), day(seed=1))"
ENTRYPOINT ["counterpoint"]
