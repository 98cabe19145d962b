#include "cli/stage_command.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <stop_token>
#include <thread>

#include "libs/base/log.h"
#include "libs/base/status.h"

namespace trainyard::cli {

void AddInput(v1::StageInput& stage, const std::string& name, const std::string& uri) {
  if (uri.empty()) return;
  v1::Artifact& artifact = *stage.add_inputs();
  artifact.set_name(name);
  artifact.set_uri(uri);
}

void AddOutput(v1::StageInput& stage, const std::string& name, const std::string& uri) {
  if (uri.empty()) return;
  v1::Artifact& artifact = *stage.add_outputs();
  artifact.set_name(name);
  artifact.set_uri(uri);
}

absl::Status OpenLogFile(const Session& session) {
  if (session.log_file.empty()) return absl::OkStatus();
  return StartLogging({.file = session.log_file});
}

struct SignalWatch::State {
  std::mutex mutex;
  std::function<void(int)> handler;
  std::atomic<int> count{0};
  std::atomic<int> signal{0};
  std::thread thread;
  sigset_t signals;
};

namespace {
SignalWatch* current_watch = nullptr;
}

SignalWatch* SignalWatch::Current() { return current_watch; }

SignalWatch::SignalWatch() : state_(std::make_unique<State>()) {
  sigemptyset(&state_->signals);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR2}) sigaddset(&state_->signals, signal);
  pthread_sigmask(SIG_BLOCK, &state_->signals, nullptr);
  state_->thread = std::thread([state = state_.get()] {
    for (;;) {
      int signal = 0;
      // SIGUSR2 is the destructor's word.
      if (sigwait(&state->signals, &signal) != 0 || signal == SIGUSR2) return;
      state->signal = signal;
      const int count = ++state->count;
      std::lock_guard<std::mutex> lock(state->mutex);
      if (state->handler) {
        state->handler(count);
      } else {
        _exit(128 + signal);
      }
    }
  });
  current_watch = this;
}

SignalWatch::~SignalWatch() {
  current_watch = nullptr;
  pthread_kill(state_->thread.native_handle(), SIGUSR2);
  state_->thread.join();
}

void SignalWatch::OnSignal(std::function<void(int)> handler) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->handler = std::move(handler);
}

int SignalWatch::signal() const { return state_->signal; }

namespace internal {
namespace {

// Follows the operation; what a signal does depends on whose process the work is in.
int Follow(const Session& session, const std::string& service, bool embedded,
           const std::shared_ptr<grpc::Channel>& channel,
           const google::longrunning::Operation& operation) {
  service::OperationClient client(channel);
  ProgressDisplay display(session.output, service);
  std::stop_source detach;
  SignalWatch* signals = SignalWatch::Current();
  signals->OnSignal([&](int count) {
    if (count > 1) _exit(128 + signals->signal());
    if (embedded) {
      fprintf(stderr, "\n%s: stopping; again to end at once\n", service.c_str());
      client.Cancel(operation.name()).IgnoreError();
    } else {
      detach.request_stop();
    }
  });
  const auto done = client.Wait(
      operation, {.update = [&](const v1::OperationMetadata& metadata) { display.Update(metadata); },
                  .stop = detach.get_token()});
  signals->OnSignal(nullptr);
  display.Finish();
  if (detach.stop_requested()) {
    const std::string address = service::MetadataOf(operation).owner_address();
    fprintf(stderr,
            "%s goes on; follow it with: trainyard operations watch %s --endpoint %s\n"
            "cancel it with: trainyard operations cancel %s --endpoint %s\n",
            operation.name().c_str(), operation.name().c_str(), address.c_str(),
            operation.name().c_str(), address.c_str());
    return 128 + signals->signal();
  }
  if (!done.ok()) return PrintFailure(session.output, done.status(), FailedAt::kCall);
  const auto result = service::ResultOf(*done);
  if (!result.ok()) {
    const int code = PrintFailure(session.output, result.status(), FailedAt::kOperation);
    return signals->signal() != 0 ? 128 + signals->signal() : code;
  }
  PrintResult(session.output, *result);
  return 0;
}

}  // namespace

int RunSubmitted(const Session& session, const std::string& service, const Submit& submit) {
  if (const auto log = OpenLogFile(session); !log.ok()) {
    return PrintFailure(session.output, log, FailedAt::kUsage);
  }
  House house(session.house);
  const auto channel = house.Channel(service);
  if (!channel.ok()) return PrintFailure(session.output, channel.status(), FailedAt::kUsage);
  const auto operation = submit(*channel);
  if (!operation.ok()) return PrintFailure(session.output, operation.status(), FailedAt::kCall);
  if (session.validate_only) {
    const auto result = service::ResultOf(*operation);
    if (!result.ok()) return PrintFailure(session.output, result.status(), FailedAt::kCall);
    if (!session.output.json) printf("the request is valid\n");
    return 0;
  }
  if (session.no_wait && !house.Embedded(service)) {
    printf("%s\n", operation->name().c_str());
    return 0;
  }
  return Follow(session, service, house.Embedded(service), *channel, *operation);
}

}  // namespace internal
}  // namespace trainyard::cli
