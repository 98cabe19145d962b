#include <signal.h>

#include "cli/command_line.h"
#include "cli/signal_watch.h"
#include "libs/base/log.h"

int main(int argc, char** argv) {
  // Services in this process log to stderr. What they warn of, such as an operation that failed,
  // the command itself prints there.
  trainyard::StartLogging({.level = trainyard::LogLevel::kError}).IgnoreError();
  // A file that may not grow is an error to be told, as a full disk is.
  signal(SIGXFSZ, SIG_IGN);
  trainyard::cli::SignalWatch signals;
  return trainyard::cli::RunCommandLine({argv + 1, argv + argc});
}
