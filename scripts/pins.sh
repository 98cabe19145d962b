# Every version that Trainyard is built and tested with. Sourced by scripts/bootstrap; the wheel
# cache is keyed by the digest of this file, so a changed pin never meets an old cache.

# Debian 12 packages (their versions are pinned by the release itself).
DEBIAN_PACKAGES=(
  build-essential cmake ninja-build ccache git pkg-config patchelf unzip
  python3 python3-venv python3-pip
  libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev protobuf-compiler libabsl-dev
  libeigen3-dev libopencv-core-dev libopencv-imgproc-dev libjpeg62-turbo-dev libpng-dev libpugixml-dev
  libssl-dev libspdlog-dev libyaml-cpp-dev libcli11-dev libonnx-dev libsqlite3-dev
  libgtest-dev libgmock-dev libbenchmark-dev
)

# Wheels that are unpacked for their headers and libraries; never imported. cp311 is Debian 12's.
TORCH=2.11.0
OPENVINO=2026.4.1
CUDA_RUNTIME=13.5.37
CUDA_CUPTI=13.5.25
GOOGLEAPIS=1.76.0

# The test environment: independent oracles and clients. Nothing shipped depends on it.
TEST_WHEELS=(
  numpy==2.2.6 protobuf==6.33.0 grpcio==1.76.0 grpcio-tools==1.76.0
  onnx==1.20.0 onnxruntime==1.23.2 pycocotools==2.0.10 buf-bin==1.75.0
)
