FROM python:3.11-slim AS build
WORKDIR /src
RUN python -m venv /venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY protocol protocol
COPY market market
COPY risk risk
COPY exchange exchange
COPY agents agents
COPY desk desk
RUN /venv/bin/pip install --quiet --disable-pip-version-check -c constraints.txt .

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 counterpoint && mkdir /data && chown counterpoint /data
COPY --from=build /venv /venv
USER counterpoint
WORKDIR /home/counterpoint
ENV PATH=/venv/bin:$PATH COUNTERPOINT_KERNELS=/data/kernels
VOLUME /data
ENTRYPOINT ["counterpoint"]
