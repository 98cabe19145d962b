#include "libs/service/status.h"

#include <algorithm>
#include <string>

namespace trainyard::service {
namespace {

// Trailers of more than about 7.7 KB are lost to clients with gRPC's default limit, and the message
// travels twice: percent-encoded in grpc-message, and inside the details.
constexpr size_t kDetailBytes = 4096;
constexpr size_t kMessageBytes = 1024;
constexpr size_t kEncodedMessageBytes = 1536;

size_t EncodedBytes(absl::string_view text) {
  size_t bytes = 0;
  for (const unsigned char c : text) bytes += c < 0x20 || c > 0x7E || c == '%' ? 3 : 1;
  return bytes;
}

}  // namespace

grpc::Status GrpcStatusFrom(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  worker::RpcStatusLimits limits{.detail_bytes = kDetailBytes - kMessageBytes,
                                 .message_bytes = kMessageBytes};
  google::rpc::Status rpc = worker::RpcStatusFrom(status, limits);
  while (EncodedBytes(rpc.message()) > kEncodedMessageBytes && limits.message_bytes > 128) {
    limits.message_bytes /= 2;
    rpc = worker::RpcStatusFrom(status, limits);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(rpc.code()), rpc.message(),
                      rpc.SerializeAsString());
}

absl::Status StatusFrom(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status rpc;
  if (status.error_details().empty() || !rpc.ParseFromString(status.error_details()) ||
      rpc.code() != static_cast<int>(status.error_code())) {
    rpc.Clear();
    rpc.set_code(static_cast<int>(status.error_code()));
    rpc.set_message(status.error_message());
  }
  return worker::StatusFromRpc(rpc);
}

}  // namespace trainyard::service
