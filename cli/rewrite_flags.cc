#include "cli/rewrite_flags.h"

#include "absl/strings/string_view.h"

namespace trainyard::cli {

const std::map<std::string, std::string, std::less<>>& ShortFlags() {
  static const auto* forms = new std::map<std::string, std::string, std::less<>>{
      {"-eq", "--equalization_criterion"},
      {"-pg", "--pruning_granularity"},
      {"-pth", "--pruning_threshold"},
      {"-nf", "--min_num_filters"},
      {"-el", "--excluded_layers"},
      {"-np", "--num_processes"},
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

}  // namespace

std::vector<std::string> RewriteFlags(std::vector<std::string> words) {
  // `trainyard help ssd train` is `trainyard ssd train --help`.
  if (!words.empty() && words[0] == "help") {
    words.erase(words.begin());
    words.push_back("--help");
  }
  // `tao model ssd train` of TAO 5 is `tao ssd train` of TAO 4.
  if (words.size() >= 2 && (words[0] == "model" || words[0] == "deploy") && words[1] == "ssd") {
    words.erase(words.begin());
  }
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--") break;
    if (i == 1 && words[0] == "ssd") {
      const auto name = SubCommands().find(words[i]);
      if (name != SubCommands().end()) words[i] = name->second;
    }
    words[i] = RewriteWord(words[i]);
  }
  return words;
}

}  // namespace trainyard::cli
