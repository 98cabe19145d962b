#include "libs/service/unary.h"

#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/log.h"
#include "libs/service/status.h"

namespace trainyard::service::internal {
namespace {

absl::Status RunGuarded(const std::function<absl::Status()>& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("an exception reached the service's edge: ", error.what()));
  }
}

LogLevel LevelOf(absl::string_view name, const absl::Status& status) {
  if (absl::IsInternal(status) || absl::IsDataLoss(status)) return LogLevel::kError;
  // Questions are asked often and change nothing.
  const bool question = absl::StartsWith(name, "Get") || absl::StartsWith(name, "List");
  return question ? LogLevel::kDebug : LogLevel::kInfo;
}

void LogCall(absl::string_view name, const std::string& peer, const absl::Status& status,
             absl::Duration elapsed) {
  const double elapsed_ms = absl::ToDoubleMilliseconds(elapsed);
  const std::string code = absl::StatusCodeToString(status.code());
  if (status.ok()) {
    Log(LevelOf(name, status), "call answered",
        {{"method", name}, {"peer", peer}, {"code", code}, {"elapsed_ms", elapsed_ms}});
  } else {
    Log(LevelOf(name, status), "call refused",
        {{"method", name}, {"peer", peer}, {"code", code}, {"elapsed_ms", elapsed_ms},
         {"error", std::string(status.message())}});
  }
}

}  // namespace

grpc::ServerUnaryReactor* RunUnary(Pool& pool, grpc::CallbackServerContext* context,
                                   absl::string_view name, std::function<absl::Status()> body) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  pool.Run([context, reactor, name = std::string(name), body = std::move(body),
            received = absl::Now()] {
    absl::Status status;
    if (context->deadline() <= std::chrono::system_clock::now()) {
      status = absl::DeadlineExceededError("the call's deadline passed before its turn came");
    } else {
      status = RunGuarded(body);
    }
    LogCall(name, context->peer(), status, absl::Now() - received);
    reactor->Finish(GrpcStatusFrom(status));
  });
  return reactor;
}

}  // namespace trainyard::service::internal
