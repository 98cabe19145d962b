#include "libs/service/unary.h"

#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/log.h"
#include "libs/service/status.h"

namespace trainyard::service::internal {
namespace {

constexpr absl::Duration kStuckRetry = absl::Seconds(5);
// A caller may make an error as long as its request.
constexpr size_t kMostLoggedBytes = 4096;

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

absl::Status StuckError() {
  return worker::WithRetry(
      worker::WithReason(
          absl::UnavailableError("all threads for calls of this kind have been busy for "
                                 "long; the service's log says with which"),
          "CALLS_STUCK"),
      kStuckRetry);
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
         // Without secrets before the cut, which might leave a part of one.
         {"error", Redact(status.message()).substr(0, kMostLoggedBytes)}});
  }
}

}  // namespace

grpc::ServerUnaryReactor* RunUnary(Pool& pool, grpc::CallbackServerContext* context,
                                   absl::string_view name, std::function<absl::Status()> body) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto received = Pool::Clock::now();
  const auto answer = [context, reactor, name = std::string(name), received](
                          const absl::Status& status) {
    LogCall(name, context->peer(), status, absl::FromChrono(Pool::Clock::now() - received));
    reactor->Finish(GrpcStatusFrom(status));
  };
  if (pool.stuck()) {
    answer(StuckError());
    return reactor;
  }
  pool.Run([answer, body = std::move(body), deadline = SteadyDeadline(*context)] {
    answer(deadline <= Pool::Clock::now()
               ? absl::DeadlineExceededError("the call's deadline passed before its turn came")
               : RunGuarded(body));
  });
  return reactor;
}

}  // namespace trainyard::service::internal

namespace trainyard::service {
namespace {

// Adding more to the steady clock might not fit.
constexpr auto kLongestDeadline = std::chrono::hours(24 * 365);

}  // namespace

Pool::Clock::time_point SteadyDeadline(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) {
    return Pool::Clock::time_point::max();
  }
  const auto left = deadline - std::chrono::system_clock::now();
  if (left > kLongestDeadline) return Pool::Clock::time_point::max();
  return Pool::Clock::now() + std::chrono::duration_cast<Pool::Clock::duration>(left);
}

}  // namespace trainyard::service
