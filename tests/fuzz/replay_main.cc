// Runs a fuzz target without libFuzzer: on every file of its corpus, and on changes of them that a
// fixed seed makes, so that a run can be repeated. The release build links the targets with this.
//
//   spec_text_fuzz CORPUS_FOLDER [SECONDS]      ends by itself after SECONDS (5) at the latest
//
// The input that ended the process is kept beside the program, as spec_text_fuzz.finding.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_input.h"

namespace {

constexpr int kChangesOfEach = 2000;

std::vector<std::string> ReadCorpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

// What the target was given last, for the handler of a crash.
const std::string* g_current = nullptr;
std::string g_finding;

// Leaves the input that ended the process in a file. Only calls that are safe in a handler.
void KeepFinding(int signal_number) {
  const int fd = open(g_finding.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd >= 0) {
    [[maybe_unused]] const ssize_t written = write(fd, g_current->data(), g_current->size());
    close(fd);
  }
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void Run(const std::string& input) {
  g_current = &input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// Up to eight changes: a bit, a byte, a piece removed, doubled, or taken from another input.
std::string Changed(std::string input, const std::vector<std::string>& corpus,
                    std::mt19937& random) {
  const auto below = [&random](size_t n) { return n == 0 ? 0 : random() % n; };
  for (size_t changes = 1 + below(8); changes > 0 && !input.empty(); --changes) {
    const size_t at = below(input.size());
    const size_t length = 1 + below(std::min<size_t>(input.size() - at, 64));
    switch (below(5)) {
      case 0:
        input[at] = static_cast<char>(input[at] ^ (1 << below(8)));
        break;
      case 1:
        input[at] = static_cast<char>(below(256));
        break;
      case 2:
        input.erase(at, length);
        break;
      case 3:
        input.insert(at, input.substr(at, length));
        break;
      default: {
        const std::string& other = corpus[below(corpus.size())];
        const size_t from = below(other.size());
        input.insert(at, other.substr(from, length));
      }
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: %s CORPUS_FOLDER [SECONDS]\n", argv[0]);
    return 2;
  }
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(argc > 2 ? std::stoi(argv[2]) : 5);
  g_finding = std::string(argv[0]) + ".finding";
  for (const int number : {SIGSEGV, SIGFPE, SIGABRT, SIGBUS, SIGILL}) signal(number, KeepFinding);
  const std::vector<std::string> corpus = ReadCorpus(argv[1]);
  if (corpus.empty()) {
    fprintf(stderr, "%s holds no input\n", argv[1]);
    return 2;
  }
  for (const std::string& input : corpus) Run(input);
  std::mt19937 random(1);
  long changes = 0;
  for (int round = 0; round < kChangesOfEach; ++round) {
    for (const std::string& input : corpus) {
      if (std::chrono::steady_clock::now() > end) round = kChangesOfEach;
      if (round == kChangesOfEach) break;
      Run(Changed(input, corpus, random));
      ++changes;
    }
  }
  printf("%zu inputs and %ld changes of them\n", corpus.size(), changes);
  return 0;
}
