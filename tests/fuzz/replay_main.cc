// Runs a fuzz target without libFuzzer: on every file of its corpus, and on changes of them that a
// fixed seed makes, so that a run can be repeated. The release build links the targets with this.
//
//   spec_text_fuzz CORPUS_FOLDER [SECONDS]      ends by itself after SECONDS (5) at the latest

#include <algorithm>
#include <chrono>
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

void Run(const std::string& input) {
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
