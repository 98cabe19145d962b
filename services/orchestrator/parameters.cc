#include "services/orchestrator/parameters.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "services/orchestrator/limits.h"

namespace trainyard::orchestrator {
namespace {

constexpr absl::string_view kPrefix = "param.";
constexpr size_t kMaxParameterNameBytes = 256;

std::vector<std::string> NamesOf(const std::map<std::string, std::string>& values) {
  std::vector<std::string> names;
  for (const auto& [name, value] : values) names.push_back(name);
  return names;
}

}  // namespace

void Parameters::Read(const YAML::Node& params) {
  if (params.IsDefined() && !params.IsNull()) ReadDefaults(params);
  const std::vector<std::string> names = NamesOf(values_);
  for (const auto& [name, value] : source_.parameters) {
    if (absl::StartsWith(name, kSpecParameterPrefix) || values_.contains(name)) continue;
    reader_.Note({.field = absl::StrCat("parameter ", name.substr(0, kMaxParameterNameBytes)),
                  .description = absl::StrCat("is not among the pipeline's params",
                                              reader_.Hint(name, names)),
                  .place = source_.name});
  }
}

void Parameters::ReadDefaults(const YAML::Node& params) {
  if (params.size() > kMaxParameters) {
    reader_.Add(params, "params", "has %d entries; at most %d are taken", params.size(),
                kMaxParameters);
    return;
  }
  for (const auto& [key, value] : reader_.Mapping(params, "params", {})) {
    const std::string& name = key.Scalar();
    const std::string field = absl::StrCat("params.", name.substr(0, kMaxParameterNameBytes));
    if (name.size() > kMaxParameterNameBytes) {
      reader_.Add(key, field, "has a name of %d bytes; at most %d are taken", name.size(),
                  kMaxParameterNameBytes);
      continue;
    }
    const auto given = source_.parameters.find(name);
    if (given != source_.parameters.end()) {
      values_[name] = given->second;
    } else if (value.IsNull()) {
      values_[name] = "";
      reader_.Add(key, field, "has no default and was not given");
    } else {
      values_[name] = reader_.Scalar(value, field);
    }
  }
}

std::string Parameters::Expand(const std::string& text, const std::string& place) {
  // Noted before: everything else that has no room would only repeat it.
  if (room_.exceeded) return "";
  const auto value_of = [&](const std::string& name) -> std::optional<std::string> {
    if (!absl::StartsWith(name, kPrefix)) return std::nullopt;
    const std::string parameter = name.substr(kPrefix.size());
    const auto found = values_.find(parameter);
    if (found != values_.end()) return found->second;
    reader_.Note({.field = absl::StrCat("${", name.substr(0, kMaxParameterNameBytes), "}"),
                  .description = absl::StrCat("names no parameter of the pipeline",
                                              reader_.Hint(parameter, NamesOf(values_))),
                  .place = place});
    return "";
  };
  auto expanded = ExpandReferences(text, value_of, room_);
  if (expanded.ok()) return *std::move(expanded);
  reader_.Note({.description = std::string(expanded.status().message()), .place = place});
  return room_.exceeded ? "" : text;
}

}  // namespace trainyard::orchestrator
