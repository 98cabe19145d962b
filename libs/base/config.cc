#include "libs/base/config.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"

extern char** environ;

namespace trainyard {
namespace {

constexpr int64_t kMostFileBytes = 1 << 20;

using Assignment = std::function<void()>;

absl::Status Unfit(absl::string_view value, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("is '", value, "'; expected ", expected));
}

std::string Underscored(absl::string_view name) { return absl::StrReplaceAll(name, {{"-", "_"}}); }
std::string Dashed(absl::string_view name) { return absl::StrReplaceAll(name, {{"_", "-"}}); }

std::vector<std::string> Words(absl::string_view value) {
  std::vector<std::string> words;
  for (absl::string_view word : absl::StrSplit(value, ',', absl::SkipWhitespace())) {
    words.emplace_back(absl::StripAsciiWhitespace(word));
  }
  return words;
}

absl::StatusOr<std::map<std::string, std::string>> Pairs(absl::string_view value) {
  std::map<std::string, std::string> pairs;
  for (const std::string& word : Words(value)) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(word, absl::MaxSplits('=', 1));
    if (pair.first.empty() || !absl::StrContains(word, "=")) return Unfit(word, "key=value");
    pairs[pair.first] = pair.second;
  }
  return pairs;
}

// One YAML value in the form in which a flag would give it.
absl::StatusOr<std::string> FlagForm(const YAML::Node& node) {
  if (node.IsScalar()) return node.Scalar();
  if (node.IsNull()) return std::string();
  std::vector<std::string> words;
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) {
      if (!item.IsScalar()) return absl::InvalidArgumentError("is nested; expected plain values");
      words.push_back(item.Scalar());
    }
  } else {
    for (const auto& entry : node) {
      if (!entry.second.IsScalar()) {
        return absl::InvalidArgumentError("is nested; expected plain values");
      }
      words.push_back(absl::StrCat(entry.first.Scalar(), "=", entry.second.Scalar()));
    }
  }
  for (const std::string& word : words) {
    if (absl::StrContains(word, ",")) return Unfit(word, "a value without a comma");
  }
  return absl::StrJoin(words, ",");
}

}  // namespace

std::map<std::string, std::string> EnvironmentOfProcess() {
  std::map<std::string, std::string> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::pair<std::string, std::string> pair =
        absl::StrSplit(absl::string_view(*entry), absl::MaxSplits('=', 1));
    environment.insert(pair);
  }
  return environment;
}

void Settings::Add(Field field) { fields_.push_back(std::move(field)); }

void Settings::Bind(absl::string_view name, std::string* target, absl::string_view help) {
  Add({.name = std::string(name),
       .help = std::string(help),
       .shown_default = *target,
       .parse = [target](const std::string& value) -> absl::StatusOr<Assignment> {
         return [target, value] { *target = value; };
       }});
}

void Settings::Bind(absl::string_view name, int* target, absl::string_view help, int least,
                    int most) {
  Add({.name = std::string(name),
       .help = std::string(help),
       .shown_default = absl::StrCat(*target),
       .parse = [target, least, most](const std::string& value) -> absl::StatusOr<Assignment> {
         int number;
         if (!absl::SimpleAtoi(value, &number) || number < least || number > most) {
           return Unfit(value, most == 2147483647
                                   ? absl::StrCat("a whole number of at least ", least)
                                   : absl::StrCat("a whole number of ", least, " to ", most));
         }
         return [target, number] { *target = number; };
       }});
}

void Settings::Bind(absl::string_view name, bool* target, absl::string_view help) {
  Add({.name = std::string(name),
       .help = std::string(help),
       .shown_default = *target ? "true" : "false",
       .is_bool = true,
       .parse = [target](const std::string& value) -> absl::StatusOr<Assignment> {
         bool truth;
         if (!absl::SimpleAtob(value, &truth)) return Unfit(value, "true or false");
         return [target, truth] { *target = truth; };
       }});
}

void Settings::Bind(absl::string_view name, absl::Duration* target, absl::string_view help) {
  Add({.name = std::string(name),
       .help = std::string(help),
       .shown_default = absl::FormatDuration(*target),
       .parse = [target](const std::string& value) -> absl::StatusOr<Assignment> {
         absl::Duration duration;
         if (!absl::ParseDuration(value, &duration) || duration < absl::ZeroDuration()) {
           return Unfit(value, "a length of time such as 1.5s, 200ms or 2m");
         }
         return [target, duration] { *target = duration; };
       }});
}

void Settings::Bind(absl::string_view name, std::vector<std::string>* target,
                    absl::string_view help) {
  Add({.name = std::string(name),
       .help = std::string(help),
       .shown_default = absl::StrJoin(*target, ","),
       .is_list = true,
       .parse = [target](const std::string& value) -> absl::StatusOr<Assignment> {
         return [target, words = Words(value)] { *target = words; };
       }});
}

void Settings::Bind(absl::string_view name, std::map<std::string, std::string>* target,
                    absl::string_view help) {
  Add({.name = std::string(name),
       .help = std::string(help),
       .shown_default = absl::StrJoin(*target, ",", absl::PairFormatter("=")),
       .is_list = true,
       .parse = [target](const std::string& value) -> absl::StatusOr<Assignment> {
         TY_ASSIGN_OR_RETURN(auto pairs, Pairs(value));
         return [target, pairs] { *target = pairs; };
       }});
}

const Settings::Field* Settings::Find(absl::string_view name) const {
  const std::string wanted = Dashed(name);
  for (const Field& field : fields_) {
    if (field.name == wanted) return &field;
  }
  return nullptr;
}

std::vector<std::string> Settings::Names() const {
  std::vector<std::string> names;
  for (const Field& field : fields_) names.push_back(field.name);
  return names;
}

absl::Status Settings::Load(const Sources& sources) {
  Problems problems;
  std::vector<Assignment> assignments;
  const auto take = [&](const Field& field, absl::string_view shown, const std::string& value,
                        const std::string& place) {
    auto assignment = field.parse(value);
    if (assignment.ok()) {
      assignments.push_back(*std::move(assignment));
    } else {
      problems.AddProblem({std::string(shown), std::string(assignment.status().message()), place});
    }
  };

  if (!sources.file.empty()) {
    TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(sources.file, kMostFileBytes));
    try {
      const YAML::Node root = YAML::Load(text);
      if (!root.IsMap() && !root.IsNull()) {
        return absl::InvalidArgumentError(
            absl::StrCat(sources.file, ": expected a map of settings at the top"));
      }
      for (const auto& entry : root) {
        const std::string key = entry.first.as<std::string>();
        const std::string place = absl::StrCat(sources.file, ":", entry.first.Mark().line + 1);
        const Field* field = Find(key);
        if (field == nullptr) {
          std::vector<std::string> names;
          for (const std::string& name : Names()) names.push_back(Underscored(name));
          problems.AddProblem({key, absl::StrCat("is no setting", DidYouMean(key, names)), place});
          continue;
        }
        const auto value = FlagForm(entry.second);
        if (!value.ok()) {
          problems.AddProblem({key, std::string(value.status().message()), place});
        } else {
          take(*field, key, *value, place);
        }
      }
    } catch (const YAML::Exception& error) {
      return absl::InvalidArgumentError(
          absl::StrCat(sources.file, ":", error.mark.line + 1, ": ", error.msg));
    }
  }
  if (!sources.environment_prefix.empty()) {
    for (const Field& field : fields_) {
      const std::string variable =
          sources.environment_prefix + absl::AsciiStrToUpper(Underscored(field.name));
      const auto found = sources.environment.find(variable);
      if (found != sources.environment.end()) take(field, variable, found->second, "");
    }
  }
  for (const auto& [name, value] : sources.flags) {
    const Field* field = Find(name);
    if (field == nullptr) {
      problems.Add(absl::StrCat("--", name), "is no flag%s", DidYouMean(name, Names()));
    } else {
      take(*field, absl::StrCat("--", name), value, "");
    }
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  for (const Assignment& assign : assignments) assign();
  return absl::OkStatus();
}

absl::StatusOr<Settings::Parsed> Settings::ParseFlags(
    const std::vector<std::string>& arguments) const {
  Parsed parsed;
  Problems problems;
  for (size_t i = 0; i < arguments.size(); ++i) {
    absl::string_view word = arguments[i];
    if (!absl::ConsumePrefix(&word, "--")) {
      parsed.rest.push_back(arguments[i]);
      continue;
    }
    const size_t equals = word.find('=');
    const std::string name(word.substr(0, equals));
    const Field* field = Find(name);
    if (field == nullptr) {
      problems.Add(absl::StrCat("--", name), "is no flag%s", DidYouMean(name, Names()));
      // Its value, if it has one apart, is no word of its own.
      if (equals == absl::string_view::npos && i + 1 < arguments.size() &&
          !absl::StartsWith(arguments[i + 1], "--")) {
        ++i;
      }
      continue;
    }
    std::string value;
    if (equals != absl::string_view::npos) {
      value = std::string(word.substr(equals + 1));
    } else if (field->is_bool) {
      value = "true";
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      problems.Add(absl::StrCat("--", name), "has no value");
      continue;
    }
    // A repeated flag adds to a list or a map; of a plain one the last wins.
    const auto [place, fresh] = parsed.flags.emplace(field->name, value);
    if (!fresh) place->second = field->is_list ? absl::StrCat(place->second, ",", value) : value;
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return parsed;
}

std::vector<std::string> Settings::Misspelt(
    absl::string_view prefix, const std::map<std::string, std::string>& environment) const {
  std::vector<std::string> known, lines;
  for (const Field& field : fields_) {
    known.push_back(absl::StrCat(prefix, absl::AsciiStrToUpper(Underscored(field.name))));
  }
  for (const auto& [variable, value] : environment) {
    if (!absl::StartsWith(variable, prefix)) continue;
    if (std::find(known.begin(), known.end(), variable) != known.end()) continue;
    // The prefix, which all have, must not make them alike.
    const std::string own = variable.substr(prefix.size());
    std::vector<std::string> names;
    for (const std::string& name : known) names.push_back(name.substr(prefix.size()));
    const std::string nearest = NearestName(own, names);
    if (nearest.empty()) continue;
    lines.push_back(
        absl::StrCat(variable, " is no setting; did you mean '", prefix, nearest, "'?"));
  }
  return lines;
}

std::string Settings::Help() const {
  size_t width = 0;
  for (const Field& field : fields_) width = std::max(width, field.name.size());
  std::string text;
  for (const Field& field : fields_) {
    absl::StrAppend(&text, "  --", field.name, std::string(width - field.name.size() + 2, ' '),
                    field.help);
    if (!field.shown_default.empty()) absl::StrAppend(&text, " [", field.shown_default, "]");
    text += '\n';
  }
  return text;
}

}  // namespace trainyard
