#pragma once

#include "absl/status/status.h"
#include "grpcpp/support/status.h"
#include "libs/worker/rpc_status.h"

namespace trainyard::service {

/// What a call answers for `status`: code, message, and google.rpc.Status in the trailer with
/// ErrorInfo always, BadRequest and RetryInfo when they apply (libs/worker/rpc_status.h). Message and
/// details are cut so that together they stay below what every gRPC client accepts.
grpc::Status GrpcStatusFrom(const absl::Status& status);

/// The way back, for clients: ProblemsFrom, ReasonOf and RetryOf work on the result.
absl::Status StatusFrom(const grpc::Status& status);

}  // namespace trainyard::service
