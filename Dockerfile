# Mailwarden as an image that holds the binary and nothing else. README.md, "Containers", says how it is used.
#
#   docker build --tag mailwarden .
#   podman build --format docker --tag mailwarden .       (an OCI image has no place for a health check)

# Any image with Rust 1.95 or later, glibc's static libraries and a C compiler; Debian's libc6-dev has the former.
ARG BUILD_IMAGE=rust:1.95-bookworm
# The binary needs nothing of it. `debian:bookworm-slim`, say, gives a shell to look around with.
ARG RUNTIME_IMAGE=scratch
# A profile of Cargo.toml, or `dev`, which builds sooner what runs slower.
ARG PROFILE=release

# --- what changes seldom is built first, so that the layer is used again when only the program itself changed
FROM ${BUILD_IMAGE} AS dependencies
WORKDIR /build
ARG PROFILE
# glibc is linked into the binary. getrandom then has to be told to make the system call: it would look for the function
# in the shared library that is not there, and open /dev/random instead.
ENV RUSTFLAGS="-C target-feature=+crt-static --cfg getrandom_backend=\"linux_getrandom\"" \
    CARGO_INCREMENTAL=0
COPY Cargo.toml Cargo.lock ./
# An empty program stands for this one, and the examples and benchmarks, whose files are not here, are left out. The
# target is named although it is the machine's own (so that each platform of a multi-platform build makes its own):
# without it the flags would hold for build scripts and procedural macros too, which are loaded into the compiler.
RUN awk '/^\[/ { left_out = /^\[\[/ } !left_out' Cargo.toml >Cargo.left && mv Cargo.left Cargo.toml \
    && mkdir src \
    && echo '//! Nothing yet.' | tee src/lib.rs src/main.rs \
    && echo 'fn main() {}' >>src/main.rs \
    && cargo build --locked --profile "$PROFILE" --bin mailwarden \
        --target "$(rustc -vV | sed -n 's/^host: //p')"

# --- the program
FROM dependencies AS build
ARG PROFILE
COPY src src
# COPY keeps the times of files, and cargo takes one that is older than the empty file it built for unchanged.
RUN find src -name '*.rs' -exec touch {} + \
    && cargo build --locked --profile "$PROFILE" --bin mailwarden \
        --target "$(rustc -vV | sed -n 's/^host: //p')" \
    && mkdir --parents /image/etc/mailwarden /image/usr/bin \
    && cp target/*-linux-*/*/mailwarden /image/usr/bin/

# --- the image
FROM ${RUNTIME_IMAGE}
# Both are of the build: the version is that of Cargo.toml, and a test compares them.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Mailwarden" \
    org.opencontainers.image.description="A gate for mail catchers on shared development servers" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
# /etc/mailwarden is empty: the place of htpasswd and, if anybody wants one, mailwarden.toml.
COPY --from=build /image/ /
# A number, because there is no /etc/passwd, and because an orchestrator can tell only from a number that it is not root.
USER 65532:65532
EXPOSE 8080
# Asks the daemon's status listener, in here. It reads the daemon's file and environment to know where that is, but not
# the flags of another CMD: whoever names a file with --config there gives the health check the same flag.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 \
    CMD ["/usr/bin/mailwarden", "healthcheck"]
# Requests that run are finished, for up to `timeouts.stop` (8s); engines wait for 10 by default.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/mailwarden"]
CMD ["serve"]
