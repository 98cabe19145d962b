#include "cli/command_line.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "cli/command_pages.h"
#include "cli/display.h"
#include "cli/rewrite_flags.h"
#include "libs/base/printable.h"
#include "libs/base/problems.h"
#include "libs/base/utf8.h"

namespace trainyard::cli {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

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

// A flag that was given nothing, or the next flag: a script's `-k $KEY --dry-run` without the variable
// would train with the key `--dry-run`. Empty when there is none.
std::string WrongValue(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_type_size() == 0) continue;
    for (const std::string& value : option->results()) {
      if (value.empty()) {
        return absl::StrCat(option->get_name(), " is given an empty value; leave it out, or see that "
                            "the variable behind it is set");
      }
      if (value[0] == '-' && value != "-" && command.get_option_no_throw(value) != nullptr) {
        return absl::StrCat(option->get_name(), " has no value; '", value, "' is the next flag");
      }
    }
  }
  for (const CLI::App* sub : command.get_subcommands()) {
    if (std::string wrong = WrongValue(*sub); !wrong.empty()) return wrong;
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
  AddNetworkCommands(app, run);
  AddAugmentCommand(app, run);
  AddConverterCommand(app, run);
  AddRunCommand(app, run);
  AddRemoteCommands(app, run);
  AddServeCommand(app, run);
  AddToolCommands(app, run);
  AddCompareCommand(app, run);
  AddDataCommands(app, run);
  AddSpecCommands(app, run);
  AddFitCommand(app, run);
  AddSampleDataCommand(app, run);
  AddModelsCommands(app, run);
  AddContextCommands(app, run);
  AddPageCommands(app, run);
  ArrangeHelp(app);
}

std::string UnknownWord(const CLI::App& app) { return UnknownWordBelow(app, app.get_name()); }

namespace {

// A wrong command line: as JSON where the user asked for that.
int PrintUsage(const std::vector<std::string>& words, const std::string& what) {
  if (std::find(words.begin(), words.end(), "--json") != words.end()) {
    return PrintFailure({.json = true}, absl::InvalidArgumentError(what), FailedAt::kUsage);
  }
  std::cerr << "trainyard: " << what << "\nRun with --help for more information.\n";
  return kExitUsage;
}

// A full disk or a closed pipe must not look like a result.
int WithOutputWritten(int code) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return code;
  std::cerr << "trainyard: what goes to stdout could not be written\n";
  return code == 0 ? kExitFailed : code;
}

}  // namespace

int RunCommandLine(std::vector<std::string> words) {
  if (const std::string wrong = NotUtf8(words); !wrong.empty()) return PrintUsage(words, wrong);
  CLI::App app("Trainyard: TAO's workflow, from images to an INT8 engine", "trainyard");
  app.set_version_flag("--version", "trainyard " TRAINYARD_VERSION);
  app.require_subcommand(1);
  Run run;
  AddCommands(app, run);
  if (words.empty()) {
    std::cerr << app.help();
    return kExitUsage;
  }
  try {
    words = RewriteFlags(std::move(words));
    // CLI11 takes the words from the back.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::ParseError& error) {
    const std::string unknown = UnknownWord(app);
    // What is asked for by --help and --version is no error, but for a word that nobody knows.
    if (error.get_exit_code() == 0 && unknown.empty()) return WithOutputWritten(app.exit(error));
    return PrintUsage(words, unknown.empty() ? error.what() : unknown);
  }
  if (const std::string wrong = WrongValue(app); !wrong.empty()) return PrintUsage(words, wrong);
  return WithOutputWritten(run ? run() : kExitUsage);
}

}  // namespace trainyard::cli
