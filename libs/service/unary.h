#pragma once

#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/support/server_callback.h"
#include "grpcpp/server_context.h"
#include "libs/service/pool.h"

namespace trainyard::service {

/// A call's deadline by the clock that does not leap; its maximum when it has none. To be asked when the
/// call comes.
Pool::Clock::time_point SteadyDeadline(const grpc::CallbackServerContext& context);

namespace internal {
/// Runs `body` on the pool; maps its status, an exception, or a passed deadline; logs one line with
/// method, code and latency; finishes the call. While the pool is stuck, calls are refused at once:
/// kUnavailable, reason CALLS_STUCK.
grpc::ServerUnaryReactor* RunUnary(Pool& pool, grpc::CallbackServerContext* context,
                                   absl::string_view name, std::function<absl::Status()> body);
}  // namespace internal

/// The form of every unary handler: `fn` returns StatusOr<Response> and may block; `request` and
/// `response` live until the call is finished.
///
///     return service::Unary(pool_, context, "Prune", response,
///                           [this, request] { return operations_.Start("prune", *request); });
template <typename Response, typename Function>
grpc::ServerUnaryReactor* Unary(Pool& pool, grpc::CallbackServerContext* context,
                                absl::string_view name, Response* response, Function fn) {
  return internal::RunUnary(pool, context, name, [response, fn = std::move(fn)]() -> absl::Status {
    absl::StatusOr<Response> result = fn();
    if (!result.ok()) return result.status();
    *response = std::move(result).value();
    return absl::OkStatus();
  });
}

}  // namespace trainyard::service
