# syntax=docker/dockerfile:1

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=devel
RUN --mount=type=cache,target=/go/pkg/mod \
    --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X github.com/oubli/oubli/internal/app.release=$VERSION" \
    -o /out/oubli ./cmd/oubli
RUN cp /usr/local/go/lib/time/zoneinfo.zip /etc/ssl/certs/ca-certificates.crt /out/

FROM busybox:1.37-musl AS busybox

FROM scratch
COPY --from=build /out/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/zoneinfo.zip /usr/share/zoneinfo.zip
# For the health check only; under this name busybox is nothing but wget.
COPY --from=busybox /bin/busybox /usr/local/bin/wget
COPY --from=build /out/oubli /usr/local/bin/oubli
ENV ZONEINFO=/usr/share/zoneinfo.zip
USER 65532:65532
EXPOSE 8080 9090
# Alive, not ready: a worker whose database is away must not be restarted.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9090/healthz"]
ENTRYPOINT ["/usr/local/bin/oubli"]
CMD ["serve"]
