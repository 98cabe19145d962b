#include "cli/command_line.h"

#include <iostream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "cli/rewrite_flags.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/utf8.h"

namespace trainyard::cli {
namespace {

constexpr int kExitUsage = 2;

constexpr char kExamples[] = R"(examples:
  trainyard sample-data parts
  trainyard ssd dataset_convert -d convert.txt -o tfrecords/train
  trainyard ssd train -e spec.txt -r results -k env:KEY
  trainyard ssd evaluate -m results/weights/ssd_resnet10_epoch_080.tlt -e spec.txt -k env:KEY
  trainyard run pipeline.yaml -k env:KEY)";

// With TAO's short flags of several letters, which are gone before the parse.
std::vector<std::string> FlagsOf(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back(absl::StrCat("--", name));
  }
  for (const auto& [short_form, long_form] : ShortFlags()) {
    if (command.get_option_no_throw(long_form) != nullptr) names.push_back(short_form);
  }
  return names;
}

std::vector<std::string> SubCommandsOf(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
  }
  return names;
}

// `path`: how the command is typed.
std::string Describe(const CLI::App& command, const std::string& path, const std::string& word) {
  if (absl::StartsWith(word, "-") && word != "-") {
    const std::string flag = word.substr(0, word.find('='));
    return absl::StrCat("'", flag, "' is no flag of '", path, "'",
                        DidYouMean(flag, FlagsOf(command)));
  }
  const std::vector<std::string> known = SubCommandsOf(command);
  if (known.empty()) return absl::StrCat("'", word, "' is one word too many for '", path, "'");
  const std::string hint = DidYouMean(word, known);
  return absl::StrCat("'", word, "' is no sub-command of '", path, "'",
                      hint.empty() ? absl::StrCat("; it has ", absl::StrJoin(known, ", ")) : hint);
}

std::string UnknownWordBelow(const CLI::App& command, const std::string& path) {
  const std::vector<std::string> unknown = command.remaining();
  if (!unknown.empty()) return Describe(command, path, unknown.front());
  for (const CLI::App* sub : command.get_subcommands()) {
    const std::string found = UnknownWordBelow(*sub, absl::StrCat(path, " ", sub->get_name()));
    if (!found.empty()) return found;
  }
  return "";
}

// Requests to services are UTF-8, so that a path that is not cannot travel; files in a folder may
// have any names. Empty when all words are fine.
std::string NotUtf8(const std::vector<std::string>& words) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (IsUtf8(words[i])) continue;
    return absl::StrCat("argument ", i + 1, " ('", Shown(words[i], 200),
                        "') is not UTF-8; rename that file or folder, or give a link to it whose "
                        "name is UTF-8 (the files inside of a folder may have any names)");
  }
  return "";
}

}  // namespace

void AddCommands(CLI::App& app, Run& run) {
  AddSsdCommands(app, run);
  AddAugmentCommand(app, run);
  AddConverterCommand(app, run);
  AddRunCommand(app, run);
  AddRemoteCommands(app, run);
  AddServeCommand(app, run);
  AddToolCommands(app, run);
}

std::string UnknownWord(const CLI::App& app) { return UnknownWordBelow(app, app.get_name()); }

int RunCommandLine(std::vector<std::string> words) {
  if (const std::string wrong = NotUtf8(words); !wrong.empty()) {
    std::cerr << "trainyard: " << wrong << "\n";
    return kExitUsage;
  }
  CLI::App app("Trainyard: TAO's workflow, from images to an INT8 engine", "trainyard");
  app.footer(kExamples);
  app.set_version_flag("--version", "trainyard 0.1.0");
  app.require_subcommand(1);
  Run run;
  AddCommands(app, run);
  try {
    words = RewriteFlags(std::move(words));
    // CLI11 takes the words from the back.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    // What is asked for by --help and --version is no error.
    if (error.get_exit_code() == 0) return app.exit(error);
    if (const std::string unknown = UnknownWord(app); !unknown.empty()) {
      std::cerr << "trainyard: " << unknown << "\nRun with --help for more information.\n";
    } else {
      app.exit(error);
    }
    return kExitUsage;
  }
  return run ? run() : kExitUsage;
}

}  // namespace trainyard::cli
