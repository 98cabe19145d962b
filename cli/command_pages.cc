#include "cli/command_pages.h"

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "cli/rewrite_flags.h"
#include "libs/networks/registry.h"

namespace trainyard::cli {
namespace {

// By the command as it is typed.
using ExampleTable = std::map<std::string, std::vector<std::string>>;

// NETWORK stands for the name of a network.
const ExampleTable& Patterns() {
  static const auto* patterns = new ExampleTable{
      {"trainyard",
       {"trainyard sample-data parts", "trainyard NETWORK train -e spec.txt -r results -k env:KEY",
        "trainyard run pipeline.yaml -k env:KEY", "trainyard help NETWORK train"}},
      {"trainyard NETWORK dataset_convert",
       {"trainyard NETWORK dataset_convert -d convert.txt -o tfrecords/train"}},
      {"trainyard NETWORK train",
       {"trainyard NETWORK train -e spec.txt -r results -k env:KEY",
        "trainyard NETWORK train -e spec.txt -r results -k env:KEY --resume",
        "trainyard NETWORK train -e spec.txt -r results -k env:KEY --set "
        "training_config.num_epochs=5"}},
      {"trainyard NETWORK evaluate",
       {"trainyard NETWORK evaluate -m results/weights/NETWORK_resnet18_epoch_080.tlt -e spec.txt "
        "-k env:KEY",
        "trainyard NETWORK evaluate -m model.engine -e spec.txt -r evaluation"}},
      {"trainyard NETWORK inference",
       {"trainyard NETWORK inference -m model.tlt -e spec.txt -i images -o drawn -l labels -k "
        "env:KEY"}},
      {"trainyard NETWORK prune",
       {"trainyard NETWORK prune -m model.tlt -o pruned.tlt --remove 0.6 -k env:KEY",
        "trainyard NETWORK prune -m model.tlt -o pruned.tlt -pth 0.9 -eq union -k env:KEY"}},
      {"trainyard NETWORK export",
       {"trainyard NETWORK export -m model.tlt -o model.etlt -k env:KEY",
        "trainyard NETWORK export -m model.tlt -o model.etlt --data_type int8 --cal_image_dir "
        "images -k env:KEY"}},
      {"trainyard NETWORK gen_trt_engine",
       {"trainyard NETWORK gen_trt_engine -m model.etlt --engine_file model.engine --data_type "
        "int8 -k env:KEY"}},
      {"trainyard augment", {"trainyard augment -a augment.txt -d parts/train -o augmented"}},
      {"trainyard converter",
       {"trainyard converter -k env:KEY -d 3,300,300 -o NMS -t int8 -e model.engine model.etlt"}},
      {"trainyard run",
       {"trainyard run pipeline.yaml -k env:KEY",
        "trainyard run pipeline.yaml -p epochs=5 --endpoint 127.0.0.1:7000"}},
      {"trainyard runs", {"trainyard runs --endpoint 127.0.0.1:7000"}},
      {"trainyard operations list", {"trainyard operations list train --endpoint 127.0.0.1:7002"}},
      {"trainyard serve", {"trainyard serve --workspace /data"}},
      {"trainyard spec check", {"trainyard spec check spec.txt --print"}},
      {"trainyard compare",
       {"trainyard compare evaluation_a evaluation_b",
        "trainyard compare a/results.json b --json"}},
      {"trainyard inspect", {"trainyard inspect model.tlt -k env:KEY"}},
      {"trainyard data check",
       {"trainyard data check train --against val",
        "trainyard data check train -e spec.txt -o checked"}},
      {"trainyard sample-data",
       {"trainyard sample-data parts --train 24 --val 8",
        "trainyard sample-data --task classification -o shapes"}},
      {"trainyard models",
       {"trainyard models list", "trainyard models get efficientnet_lite0 -k env:KEY"}},
      {"trainyard models get",
       {"trainyard models get efficientnet_lite0 -k env:KEY",
        "trainyard models get efficientnet_lite0 --file efficientnet-lite0-57934424.pth -k "
        "env:KEY"}},
      {"trainyard models add",
       {"trainyard models add parts_resnet18 resnet18.pth --backbone resnet18 -k env:KEY"}},
      {"trainyard context",
       {"trainyard context set lab --endpoint lab:7000", "trainyard context use lab"}},
      {"trainyard completion",
       {"trainyard completion bash > ~/.local/share/bash-completion/completions/trainyard"}},
      {"trainyard man", {"trainyard man > trainyard.1"}},
  };
  return *patterns;
}

const ExampleTable& Examples() {
  static const auto* examples = [] {
    auto* all = new ExampleTable;
    for (const std::string& network : networks::NetworkNames()) {
      const auto named = [&network](const std::string& pattern) {
        return absl::StrReplaceAll(pattern, {{"NETWORK", network}});
      };
      for (const auto& [command, patterns] : Patterns()) {
        // A command of no network has its examples of the first.
        const auto [place, is_new] = all->try_emplace(named(command));
        if (!is_new) continue;
        for (const std::string& pattern : patterns) place->second.push_back(named(pattern));
      }
    }
    return all;
  }();
  return *examples;
}

std::vector<CLI::App*> SubCommandsOf(CLI::App& command) {
  return command.get_subcommands([](CLI::App*) { return true; });
}

// Calls `visit(command, path)` for a command and all below it, `path` as it is typed.
template <typename Visit>
void Walk(CLI::App& command, const std::string& path, const Visit& visit) {
  visit(command, path);
  for (CLI::App* sub : SubCommandsOf(command)) {
    Walk(*sub, absl::StrCat(path, " ", sub->get_name()), visit);
  }
}

// Long names, short names, and TAO's short names of several letters.
std::vector<std::string> FlagsOf(const CLI::Option& option) {
  std::vector<std::string> flags;
  for (const std::string& name : option.get_snames()) flags.push_back(absl::StrCat("-", name));
  for (const std::string& name : option.get_lnames()) {
    flags.push_back(absl::StrCat("--", name));
    for (const auto& [short_form, long_form] : ShortFlags()) {
      if (long_form == flags.back()) flags.push_back(short_form);
    }
  }
  return flags;
}

bool TakesValue(const CLI::Option& option) { return option.get_type_size() != 0; }

// What may follow: sub-commands, and flags.
std::vector<std::string> WordsOf(CLI::App& command) {
  std::vector<std::string> words;
  for (const CLI::App* sub : SubCommandsOf(command)) words.push_back(sub->get_name());
  for (const CLI::Option* option : command.get_options()) {
    for (std::string& flag : FlagsOf(*option)) words.push_back(std::move(flag));
  }
  return words;
}

std::string BashTable(CLI::App& app) {
  std::string table;
  Walk(app, app.get_name(), [&table](CLI::App& command, const std::string& path) {
    absl::StrAppend(&table, "    '", path, "') words='", absl::StrJoin(WordsOf(command), " "),
                    "' ;;\n");
  });
  return table;
}

// The words before the cursor that are sub-commands make the line; what is none ends it. Flags are
// offered behind a dash only; where nothing is, the shell completes names of files. zsh runs this
// too: its compgen does not filter, and its `path` is the search path.
std::string BashScript(CLI::App& app) {
  return absl::StrCat(R"sh(# Completion of trainyard for bash.
_trainyard_words() {
  local words=''
  case "$1" in
)sh",
                      BashTable(app), R"sh(  esac
  printf '%s' "$words"
}
_trainyard() {
  local line=trainyard current="${COMP_WORDS[COMP_CWORD]}" word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    [[ $word == -* ]] && break
    [[ -n $(_trainyard_words "$line $word") ]] || break
    line="$line $word"
  done
  COMPREPLY=()
  for word in $(_trainyard_words "$line"); do
    [[ $word == -* && $current != -* ]] && continue
    [[ $word == "$current"* ]] && COMPREPLY+=("$word")
  done
}
)sh");
}

std::string FishScript(CLI::App& app) {
  std::string script = R"(# Completion of trainyard for fish.
function __trainyard_at
    set -l path
    for word in (commandline -opc)
        string match -q -- '-*' $word; and break
        set -a path $word
    end
    test "$path" = "$argv[1]"
end
)";
  const auto quoted = [](absl::string_view text) {
    return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
  };
  Walk(app, app.get_name(), [&](CLI::App& command, const std::string& path) {
    const std::string at = absl::StrCat("complete -c trainyard -n ",
                                        quoted(absl::StrCat("__trainyard_at ", quoted(path))));
    for (const CLI::App* sub : SubCommandsOf(command)) {
      absl::StrAppend(&script, at, " -a ", sub->get_name(), " -d ", quoted(sub->get_description()),
                      "\n");
    }
    for (const CLI::Option* option : command.get_options()) {
      if (option->get_snames().empty() && option->get_lnames().empty()) continue;
      absl::StrAppend(&script, at);
      for (const std::string& name : option->get_snames()) absl::StrAppend(&script, " -s ", name);
      for (const std::string& name : option->get_lnames()) absl::StrAppend(&script, " -l ", name);
      absl::StrAppend(&script, TakesValue(*option) ? " -r" : "", " -d ",
                      quoted(option->get_description()), "\n");
    }
  });
  return script;
}

// Text for man: a backslash, a hyphen, and a dot or a quote at the head of a line mean something.
std::string Roff(absl::string_view text) {
  std::string roff = absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}});
  if (!roff.empty() && (roff[0] == '.' || roff[0] == '\'')) roff.insert(0, "\\&");
  return roff;
}

void AddManualOf(CLI::App& command, const std::string& path, std::string& page) {
  absl::StrAppend(&page, ".SS \"", Roff(path), "\"\n", Roff(command.get_description()), "\n");
  for (const CLI::Option* option : command.get_options()) {
    const std::vector<std::string> flags = FlagsOf(*option);
    const std::string name = flags.empty() ? option->get_name() : absl::StrJoin(flags, ", ");
    if (name == "-h, --help") continue;
    absl::StrAppend(&page, ".TP\n\\fB", Roff(name), "\\fR\n", Roff(option->get_description()),
                    "\n");
  }
  const auto examples = Examples().find(path);
  if (examples == Examples().end()) return;
  absl::StrAppend(&page, ".PP\nExamples:\n.PP\n.nf\n");
  for (const std::string& example : examples->second) absl::StrAppend(&page, Roff(example), "\n");
  absl::StrAppend(&page, ".fi\n");
}

}  // namespace

void ArrangeHelp(CLI::App& app) {
  Walk(app, app.get_name(), [](CLI::App& command, const std::string& path) {
    const auto examples = Examples().find(path);
    command.footer(examples == Examples().end()
                       ? ""
                       : absl::StrCat("examples:\n  ", absl::StrJoin(examples->second, "\n  ")));
    for (CLI::Option* option : command.get_options()) {
      if (absl::StartsWith(option->get_description(), "accepted for TAO")) {
        option->group("Accepted for TAO's scripts, without effect");
      } else if (absl::StartsWith(option->get_description(), "not offered")) {
        option->group("Known and not offered yet");
      }
    }
  });
}

absl::StatusOr<std::string> CompletionScript(CLI::App& app, const std::string& shell) {
  constexpr char kRegister[] = "complete -o default -F _trainyard trainyard\n";
  if (shell == "bash") return absl::StrCat(BashScript(app), kRegister);
  // zsh runs bash's function by a layer of its own.
  if (shell == "zsh") {
    return absl::StrCat("#compdef trainyard\nautoload -U +X bashcompinit && bashcompinit\n",
                        BashScript(app), kRegister);
  }
  if (shell == "fish") return FishScript(app);
  return absl::InvalidArgumentError(
      absl::StrCat("shell is '", shell, "'; expected bash, zsh or fish"));
}

std::string ManualPage(CLI::App& app, const std::string& version) {
  std::string page = absl::StrCat(
      ".TH TRAINYARD 1 \"\" \"trainyard ", version, "\" \"Trainyard\"\n.SH NAME\ntrainyard \\- ",
      Roff(app.get_description()), "\n.SH SYNOPSIS\n.B trainyard\nCOMMAND [FLAGS]\n.SH COMMANDS\n");
  Walk(app, app.get_name(), [&page](CLI::App& command, const std::string& path) {
    // A command that only holds others has nothing of its own to tell.
    if (SubCommandsOf(command).empty()) AddManualOf(command, path, page);
  });
  absl::StrAppend(
      &page,
      ".SH EXIT STATUS\n0 done; 1 the work failed; 2 the command is wrong; 3 cancelled by "
      "someone else; 64 + c the service refused the call with gRPC code c; 130 and 143 "
      "ended by a signal.\n.SH ENVIRONMENT\n.TP\n.B TRAINYARD_ENDPOINT\nhost:port of "
      "running services, as \\-\\-endpoint.\n.TP\n.B TRAINYARD_CONTEXT\nname of a context, "
      "as \\-\\-context.\n");
  return page;
}

}  // namespace trainyard::cli
