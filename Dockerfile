# One image for every part of Ricity but those that learn: no torch, no compiler, no root.
FROM python:3.11-slim AS part

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin ricity && install -d -o ricity /runs

# The libraries are a layer of their own: a change of the code does not install them again.
WORKDIR /app
COPY constraints.txt pyproject.toml ./
ENV PIP_CONSTRAINT=/app/constraints.txt
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > libraries.txt \
    && pip install -r libraries.txt

COPY README.md LICENSE ./
COPY ric_sim ric_sim
COPY services services
COPY xapps xapps
COPY proto/gen proto/gen
RUN pip install --no-deps . && rm -rf ric_sim services xapps proto

# An empty volume takes over the owner of the folder that it is mounted on: what makes certificates and tokens is no root either.
# Its group, too: programs of others (store, Prometheus, Grafana) have a user of their own and are given the group.
RUN install -d -o ricity -g ricity /certs /tokens && ricity certs parts | (cd /certs && xargs install -d -o ricity -g ricity)
COPY --chmod=755 services/common/status-probe.sh /usr/local/bin/status-probe
# Also for what the manager starts; Compose and Kubernetes have their own words for it.
HEALTHCHECK --interval=15s --timeout=10s --retries=3 --start-period=120s --start-interval=1s CMD ["status-probe", "ready"]

# Kernels are compiled here, not at every start. Numba reads its cache only where it could also write, and the containers'
# root is read-only: the start copies the cache (1 MB) to /tmp. Whole seconds, because a layer may lose the fractions.
RUN cd / && find "$(python -c 'import ric_sim; print(ric_sim.__path__[0])')" -name '*.py' -exec touch -d "@$(date +%s)" {} + \
    && NUMBA_CACHE_DIR=/opt/numba python -m ric_sim.network.policies && NUMBA_CACHE_DIR=/opt/numba python -m ric_sim.radio
ENV NUMBA_CACHE_DIR=/tmp/numba

USER ricity
WORKDIR /runs
ENTRYPOINT ["sh", "-c", "cp -rT /opt/numba \"$NUMBA_CACHE_DIR\" && exec \"$@\"", "ricity"]
CMD ["ricity", "--help"]

# The critic learns, so it has torch on top. A wheel in wheelhouse/ (`make wheelhouse`) is taken before the package index's,
# whose Linux build brings gigabytes for GPUs.
FROM part AS learner
USER root
RUN --mount=type=bind,source=wheelhouse,target=/wheelhouse pip install --find-links=/wheelhouse torch
USER ricity

# What trains for experiments: the frameworks it is compared with too.
FROM learner AS trainer
USER root
RUN pip install 'ricity[train]'
USER ricity
CMD ["ricity", "train", "routing", "--help"]

FROM part
