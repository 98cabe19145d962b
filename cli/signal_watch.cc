#include "cli/signal_watch.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

namespace trainyard::cli {

struct SignalWatch::State {
  std::mutex mutex;
  // Of the Interruptible that lives; emptied by the first signal, the next one ends the process.
  std::function<void()> first;
  std::atomic<int> exit_code{0};
  std::thread thread;
  sigset_t signals;

  static State* current;
};

SignalWatch::State* SignalWatch::State::current = nullptr;

SignalWatch::SignalWatch() : state_(std::make_unique<State>()) {
  sigemptyset(&state_->signals);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR2}) sigaddset(&state_->signals, signal);
  pthread_sigmask(SIG_BLOCK, &state_->signals, nullptr);
  state_->thread = std::thread([state = state_.get()] {
    for (;;) {
      int signal = 0;
      // SIGUSR2 is the destructor's word.
      if (sigwait(&state->signals, &signal) != 0 || signal == SIGUSR2) return;
      std::lock_guard<std::mutex> lock(state->mutex);
      if (!state->first) _exit(128 + signal);
      state->exit_code = 128 + signal;
      std::exchange(state->first, nullptr)();
    }
  });
  State::current = state_.get();
}

SignalWatch::~SignalWatch() {
  State::current = nullptr;
  pthread_kill(state_->thread.native_handle(), SIGUSR2);
  state_->thread.join();
}

Interruptible::Interruptible(std::function<void()> first) {
  SignalWatch::State& state = *SignalWatch::State::current;
  std::lock_guard<std::mutex> lock(state.mutex);
  state.first = std::move(first);
  state.exit_code = 0;
}

Interruptible::~Interruptible() {
  SignalWatch::State& state = *SignalWatch::State::current;
  std::lock_guard<std::mutex> lock(state.mutex);
  state.first = nullptr;
}

int Interruptible::exit_code() const { return SignalWatch::State::current->exit_code; }

}  // namespace trainyard::cli
