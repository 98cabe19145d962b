#include "cli/rewrite_flags.h"

#include "absl/strings/string_view.h"
#include "libs/networks/registry.h"

namespace trainyard::cli {

const std::map<std::string, std::string, std::less<>>& ShortFlags() {
  static const auto* forms = new std::map<std::string, std::string, std::less<>>{
      {"-eq", "--equalization_criterion"},
      {"-pg", "--pruning_granularity"},
      {"-pth", "--pruning_threshold"},
      {"-nf", "--min_num_filters"},
      {"-el", "--excluded_layers"},
      {"-np", "--num_processes"},
      {"-cm", "--classmap"},
      // Printed so in TAO's guide.
      {"-pruning_granularity", "--pruning_granularity"},
  };
  return *forms;
}

namespace {

const std::map<std::string, std::string, std::less<>>& SubCommands() {
  static const auto* names = new std::map<std::string, std::string, std::less<>>{
      {"dataset-convert", "dataset_convert"}, {"infer", "inference"}};
  return *names;
}

std::string RewriteWord(const std::string& word) {
  const size_t equals = word.find('=');
  const auto form = ShortFlags().find(absl::string_view(word).substr(0, equals));
  if (form == ShortFlags().end()) return word;
  return equals == std::string::npos ? form->second : form->second + word.substr(equals);
}

bool IsNetwork(const std::string& word) { return networks::FindNetwork(word).ok(); }

// CLI11 would read the `=` of `-k=KEY` as the key's first letter, and take what follows `--key=` for
// the key.
void Add(const std::string& word, std::vector<std::string>& words) {
  const size_t equals = word.find('=');
  const bool is_short = equals == 2 && word[0] == '-' && word[1] != '-';
  const bool is_empty = equals > 2 && word.compare(0, 2, "--") == 0 && equals == word.size() - 1;
  if (!is_short && !is_empty) return words.push_back(word);
  words.push_back(word.substr(0, equals));
  words.push_back(word.substr(equals + 1));
}

}  // namespace

std::vector<std::string> RewriteFlags(std::vector<std::string> words) {
  // `trainyard help COMMAND` is `trainyard COMMAND --help`.
  if (!words.empty() && words[0] == "help") {
    words.erase(words.begin());
    words.push_back("--help");
  }
  // `tao model NETWORK train` of TAO 5 is `tao NETWORK train` of TAO 4.
  if (words.size() >= 2 && (words[0] == "model" || words[0] == "deploy") && IsNetwork(words[1])) {
    words.erase(words.begin());
  }
  std::vector<std::string> rewritten;
  size_t i = 0;
  for (; i < words.size() && words[i] != "--"; ++i) {
    if (i == 1 && IsNetwork(words[0])) {
      const auto name = SubCommands().find(words[i]);
      if (name != SubCommands().end()) words[i] = name->second;
    }
    Add(RewriteWord(words[i]), rewritten);
  }
  rewritten.insert(rewritten.end(), words.begin() + static_cast<ptrdiff_t>(i), words.end());
  return rewritten;
}

}  // namespace trainyard::cli
