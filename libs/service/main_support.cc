#include "libs/service/main_support.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <semaphore>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/service/health_probe.h"
#include "libs/service/internal/listener.h"
#include "libs/worker/key_pipe.h"

namespace trainyard::service {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr char kEnvironmentPrefix[] = "TRAINYARD_";
constexpr char kVersion[] = TRAINYARD_VERSION;

// What is set beside ServerOptions.
struct ProcessSettings {
  std::string config;
  std::string port_file;
  std::string log_format = "auto";
  std::string log_level = "info";
  std::string log_file;
};

void Bind(Settings& settings, ServerOptions& server, ProcessSettings& process) {
  settings.Bind("config", &process.config, "YAML file with the settings below");
  settings.Bind("listen", &server.address, "host:port to listen on; port 0 is any free one");
  settings.Bind("advertise", &server.advertised_address,
                "host:port by which clients reach this replica, when it is not --listen");
  settings.Bind("workspace", &server.workspace, "folder that the services share (required)");
  settings.Bind("state-dir", &server.state_dir,
                "folder of this replica alone: its database and scratch files (required)");
  settings.Bind("replica", &server.replica, "name of this replica, part of operation names");
  settings.Bind("peers", &server.peers, "other replicas, as name=host:port");
  settings.Bind("max-running", &server.max_running, "operations that work at one time", 1, 1024);
  settings.Bind("max-queue", &server.max_queue, "operations that may wait; one more is UNAVAILABLE",
                0, 1000000);
  settings.Bind("threads", &server.threads, "threads for all work; 0 is what the CPU quota allows",
                0, 4096);
  settings.Bind("job-memory", &server.job_memory,
                "memory that one job's worker may have: off, auto (a share), or a size (8GiB)");
  settings.Bind("call-threads", &server.call_threads, "threads for calls that start work", 1, 256);
  settings.Bind("retention", &server.retention, "time after which ended operations are forgotten");
  settings.Bind("drain-grace", &server.drain_grace, "time that running calls get at the end");
  settings.Bind("port-file", &process.port_file, "file that gets the port once the service serves");
  settings.Bind("log-format", &process.log_format,
                "text, json, or auto: text when stderr is a terminal");
  settings.Bind("log-level", &process.log_level, "debug, info, warning or error");
  settings.Bind("log-file", &process.log_file, "file to append log lines to, instead of stderr");
}

absl::Status SetUpLog(const ProcessSettings& process, const std::string& service) {
  LogOptions options{.file = process.log_file, .service = service};
  TY_ASSIGN_OR_RETURN(options.level, ParseLogLevel(process.log_level));
  if (process.log_format == "auto") {
    options.json = isatty(STDERR_FILENO) == 0;
  } else if (process.log_format == "json" || process.log_format == "text") {
    options.json = process.log_format == "json";
  } else {
    return absl::InvalidArgumentError(absl::StrCat("--log-format is '", process.log_format,
                                                   "'; expected text, json or auto"));
  }
  return StartLogging(options);
}

int Complain(const absl::Status& status, const ServiceProgram& program, int exit_code) {
  std::cerr << "trainyard-" << program.service << ": " << status.message() << "\n";
  if (exit_code == kExitUsage) {
    std::cerr << "try: trainyard-" << program.service << " --help\n";
  }
  return exit_code;
}

int ShowHelp(const Settings& settings, const ServiceProgram& program) {
  std::cout << "usage: trainyard-" << program.service << " --workspace DIR --state-dir DIR ...\n"
            << "       trainyard-" << program.service << " healthcheck [--addr HOST:PORT]\n"
            << program.description << "\n\n"
            << settings.Help() << "  --help, --version\n\nEvery flag is also a variable, --max-queue as "
            << kEnvironmentPrefix << "MAX_QUEUE, and a YAML key, max_queue.\n";
  return 0;
}

// What a process of ours never wants: to end by a write that fails, or to leave what it knows, keys
// too, in a core file or to a debugger.
void Harden() {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
#if !defined(__SANITIZE_ADDRESS__)  // whose search for leaks is a debugger
  worker::ForbidDumps();
#endif
}

absl::Status CheckRequired(const ServerOptions& options) {
  Problems problems;
  if (options.workspace.empty()) {
    problems.Add("--workspace", "is not given; name the folder that the services share");
  }
  if (options.state_dir.empty()) {
    problems.Add("--state-dir", "is not given; name a folder of this replica alone");
  }
  return problems.ToStatus();
}

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Ends the process at the first signal after `drains`. Called before serving begins: when the drain
// does, the process may have no thread to spare.
absl::Status EndAtSecondSignal(const sigset_t& signals, std::binary_semaphore& drains) {
  try {
    std::thread([signals, &drains] {
      drains.acquire();
      int second = 0;
      sigwait(&signals, &second);
      _exit(128 + second);
    }).detach();
  } catch (const std::system_error& error) {
    return absl::ResourceExhaustedError(absl::StrCat("no thread can be made: ", error.what()));
  }
  return absl::OkStatus();
}

// Serves until a signal; a second one ends the process at once.
int ServeUntilSignal(ServerOptions options, const ServiceProgram& program,
                     const ProcessSettings& process) {
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before threads are made, which inherit it
  static std::binary_semaphore drains(0);  // the thread that waits for it ends with the process
  const absl::Status watched = EndAtSecondSignal(signals, drains);
  if (!watched.ok()) return Complain(watched, program, kExitFailed);
  static std::atomic<bool> died = false;
  options.listener_died = [] {
    died = true;
    kill(getpid(), SIGTERM);
  };
  auto server = Server::Start(std::move(options), program.factory);
  if (!server.ok()) return Complain(server.status(), program, kExitFailed);
  if (!process.port_file.empty()) {
    const absl::Status written =
        WriteFileAtomically(process.port_file, absl::StrCat((*server)->port(), "\n"));
    if (!written.ok()) return Complain(written, program, kExitFailed);
  }
  int signal = 0;
  sigwait(&signals, &signal);
  LogInfo("signal received", {{"signal", signal}});
  drains.release();
  if ((*server)->Drain()) return died ? kExitFailed : 0;
  // Threads that hang would hold up every other way of ending.
  _exit(kExitFailed);
}

}  // namespace

int RunServiceMain(int argc, char** argv, const ServiceProgram& program) {
  Harden();
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (!arguments.empty() && arguments[0] == "healthcheck") {
    return RunHealthProbe({arguments.begin() + 1, arguments.end()},
                          absl::StrCat("127.0.0.1:", program.default_port));
  }
  ServerOptions options;
  options.service = program.service;
  options.address = absl::StrCat("127.0.0.1:", program.default_port);
  options.capabilities = program.capabilities;
  options.worker = program.worker;
  options.job_memory = program.job_memory;
  ProcessSettings process;
  Settings settings;
  Bind(settings, options, process);
  if (program.bind) program.bind(settings);

  const auto is_asked = [&arguments](const char* flag) {
    return std::find(arguments.begin(), arguments.end(), flag) != arguments.end();
  };
  if (is_asked("--help") || is_asked("-h")) return ShowHelp(settings, program);
  if (is_asked("--version")) {
    std::cout << "trainyard-" << program.service << " " << kVersion << "\n";
    return 0;
  }
  const auto parsed = settings.ParseFlags(arguments);
  if (!parsed.ok()) return Complain(parsed.status(), program, kExitUsage);
  if (!parsed->rest.empty()) {
    return Complain(absl::InvalidArgumentError(
                        absl::StrCat("'", parsed->rest[0], "' is no flag; expected --name value")),
                    program, kExitUsage);
  }
  const auto environment = EnvironmentOfProcess();
  Settings::Sources sources{.environment_prefix = kEnvironmentPrefix,
                            .environment = environment,
                            .flags = parsed->flags};
  const auto from_environment = environment.find(absl::StrCat(kEnvironmentPrefix, "CONFIG"));
  const auto from_flag = parsed->flags.find("config");
  if (from_environment != environment.end()) sources.file = from_environment->second;
  if (from_flag != parsed->flags.end()) sources.file = from_flag->second;
  absl::Status status = settings.Load(sources);
  if (!status.ok()) return Complain(status, program, kExitUsage);
  status = CheckRequired(options);
  if (!status.ok()) return Complain(status, program, kExitUsage);
  status = SetUpLog(process, program.service);
  if (!status.ok()) return Complain(status, program, kExitUsage);
  for (const std::string& line : settings.Misspelt(kEnvironmentPrefix, environment)) {
    LogWarning("variable has no effect", {{"variable", line}});
  }
  RaiseFileLimit();
  return ServeUntilSignal(std::move(options), program, process);
}

}  // namespace trainyard::service
