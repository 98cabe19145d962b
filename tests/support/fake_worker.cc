// A worker program that trains nothing: it does what the lines of its job's spec say.
//
//     progress DONE TOTAL      an event of each kind
//     metric NAME VALUE
//     checkpoint PATH          writes PATH, then the event
//     warn TEXT
//     write PATH TEXT          a file; TEXT may be $KEY, $RESUME, $THREADS, $EPOCH, $DUMPABLE
//     put PATH                 a file, by libs/base
//     output NAME PATH KIND [BYTES SHA256]    a line of the result
//     note TEXT
//     log TEXT                 a line on stderr; TEXT as in write
//     wait                     until it is told to stop; then kCancelled
//     hang                     for ever, whatever it is told
//     stall                    as hang, with something to save that it never saves
//     save PATH PIECES MS      waits until it is told to stop, then writes a checkpoint in so many pieces
//                              of 128 KiB, one in MS milliseconds; then it hangs
//     eat MIB                  takes so much memory and fills it
//     kill                     SIGKILL to itself
//     exit CODE                without Finished
//     fail CODE TEXT           Finished with that status
//
// "@2 LINE" is done by the worker of fencing epoch 2 alone, and "@>1 LINE" by those after the first.
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/worker/runtime.h"

namespace trainyard::worker {
namespace {

double Number(const std::string& word) {
  double value = 0;
  if (!absl::SimpleAtod(word, &value)) abort();
  return value;
}

std::string Rest(const std::vector<std::string>& words, size_t first) {
  return absl::StrJoin(words.begin() + static_cast<long>(std::min(first, words.size())), words.end(),
                       " ");
}

std::string Expanded(const Context& context, const std::string& text) {
  return absl::StrReplaceAll(text, {{"$KEY", context.key},
                                    {"$RESUME", context.job.train().resume_model()},
                                    {"$DUMPABLE", std::to_string(prctl(PR_GET_DUMPABLE))},
                                    {"$THREADS", std::to_string(context.job.threads())},
                                    {"$EPOCH", std::to_string(context.job.fencing_epoch())}});
}

absl::Status WaitForStop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock<std::mutex> lock(mutex);
  stopped.wait(lock, stop, [] { return false; });
  return absl::CancelledError("stopped on request");
}

// As a training does that is stopped on a slow disk.
absl::Status SaveOnStop(Context& context, const std::vector<std::string>& words) {
  context.SetSaving(true);
  WaitForStop(context.stop).IgnoreError();
  std::ofstream file(words[1], std::ios::binary);
  const std::string piece(128 << 10, 'x');
  for (int i = 0; i < static_cast<int>(Number(words[2])); ++i) {
    file << piece << std::flush;
    std::this_thread::sleep_for(std::chrono::milliseconds(static_cast<int>(Number(words[3]))));
  }
  file.close();
  WorkerEvent event;
  event.mutable_checkpoint()->set_path(words[1]);
  TY_RETURN_IF_ERROR(context.journal.Append(event));
  context.SetSaving(false);
  return WaitForStop(std::stop_source().get_token());
}

absl::Status Emit(Context& context, const std::vector<std::string>& words, Finished& finished) {
  const std::string& verb = words[0];
  WorkerEvent event;
  if (verb == "progress") {
    event.mutable_progress()->set_done(Number(words[1]));
    event.mutable_progress()->set_total(Number(words[2]));
    event.mutable_progress()->set_unit("steps");
  } else if (verb == "metric") {
    auto* metric = event.mutable_metrics()->add_metrics();
    metric->set_name(words[1]);
    metric->set_value(Number(words[2]));
    *finished.add_metrics() = *metric;
  } else if (verb == "checkpoint") {
    std::ofstream(words[1]) << "checkpoint of epoch " << context.job.fencing_epoch();
    event.mutable_checkpoint()->set_path(words[1]);
  } else {
    return absl::InvalidArgumentError("no such line: " + Rest(words, 0));
  }
  return context.journal.Append(event);
}

absl::Status Obey(Context& context, const std::vector<std::string>& words, Finished& finished) {
  const std::string& verb = words[0];
  if (verb == "wait") return WaitForStop(context.stop);
  if (verb == "hang") return WaitForStop(std::stop_source().get_token());
  if (verb == "stall") {
    context.SetSaving(true);
    return WaitForStop(std::stop_source().get_token());
  }
  if (verb == "put") return WriteFileAtomically(words[1], "x");
  if (verb == "save") return SaveOnStop(context, words);
  if (verb == "eat") {
    const size_t size = static_cast<size_t>(Number(words[1])) << 20;
    const auto food = std::make_unique<char[]>(size);
    std::fill(food.get(), food.get() + size, 'x');
    const volatile char* taste = food.get();  // else nothing of this need happen
    return taste[size / 2] == 'x' ? absl::OkStatus() : absl::InternalError("not filled");
  }
  if (verb == "kill") kill(getpid(), SIGKILL);
  if (verb == "exit") _exit(static_cast<int>(Number(words[1])));
  if (verb == "fail") {
    return absl::Status(static_cast<absl::StatusCode>(Number(words[1])), Rest(words, 2));
  }
  if (verb == "warn") {
    context.Warn(absl::DataLossError(Rest(words, 1)));
  } else if (verb == "log") {
    std::cerr << Expanded(context, Rest(words, 1)) << std::endl;
  } else if (verb == "note") {
    finished.add_notes(Rest(words, 1));
  } else if (verb == "write") {
    std::ofstream(words[1]) << Expanded(context, Rest(words, 2));
  } else if (verb == "output") {
    auto* output = finished.add_outputs();
    output->set_name(words[1]);
    output->set_uri(words[2]);
    output->set_kind(words[3]);
    if (words.size() > 4) output->set_size_bytes(static_cast<int64_t>(Number(words[4])));
    if (words.size() > 5) output->set_sha256(words[5]);
  } else {
    return Emit(context, words, finished);
  }
  return absl::OkStatus();
}

bool IsFor(std::string& line, int64_t epoch) {
  if (line.empty() || line[0] != '@') return true;
  const std::pair<std::string, std::string> parts = absl::StrSplit(line, absl::MaxSplits(' ', 1));
  line = parts.second;
  const bool later = absl::StartsWith(parts.first, "@>");
  const auto wanted = static_cast<int64_t>(Number(parts.first.substr(later ? 2 : 1)));
  return later ? epoch > wanted : epoch == wanted;
}

absl::StatusOr<Finished> Play(Context& context) {
  Finished finished;
  WorkerEvent started;
  started.mutable_started()->set_pid(getpid());
  started.mutable_started()->set_resumed_from(context.job.train().resume_model());
  TY_RETURN_IF_ERROR(context.journal.Append(started));
  const std::vector<std::string> lines =
      absl::StrSplit(context.job.spec(), '\n', absl::SkipWhitespace());
  for (std::string line : lines) {
    if (!IsFor(line, context.job.fencing_epoch())) continue;
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    TY_RETURN_IF_ERROR(Obey(context, words, finished));
  }
  return finished;
}

}  // namespace
}  // namespace trainyard::worker

int main(int argc, char** argv) {
  // As the runtimes of the real workers do, which take their time.
  atexit([] { std::cerr << "taken down" << std::endl; });
  const trainyard::worker::Program program{
      .choose = [](const trainyard::worker::WorkerJob&) -> absl::StatusOr<trainyard::worker::Task> {
        return trainyard::worker::Play;
      },
      .devices = []() -> absl::StatusOr<std::vector<std::string>> {
        return std::vector<std::string>{"cpu", "fake:0 a device"};
      }};
  return trainyard::worker::RunWorker(argc, argv, program);
}
