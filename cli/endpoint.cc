#include "cli/endpoint.h"

#include <stdlib.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "yaml-cpp/yaml.h"

namespace trainyard::cli {
namespace {

constexpr int64_t kMostBytes = 1 << 20;

bool IsPort(absl::string_view text) {
  int port = 0;
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, &port) && port > 0 && port < 65536;
}

std::string FileOfContexts() {
  const auto variable = [](const char* name) {
    const char* value = getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string named = variable("TRAINYARD_CONTEXTS"); !named.empty()) return named;
  const std::string config = variable("XDG_CONFIG_HOME"), home = variable("HOME");
  // Not below the working folder.
  if (config.empty() && home.empty()) return "";
  return JoinPath(config.empty() ? JoinPath(home, ".config") : config, "trainyard/contexts.yaml");
}

absl::Status Wrong(const std::string& path, const YAML::Node& node, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ":", node.Mark().line + 1, ": ", what));
}

absl::StatusOr<ServiceContext> ContextFrom(const std::string& path, const YAML::Node& node) {
  if (!node.IsMap())
    return Wrong(path, node, "a context is {endpoint: host:port} or {services: ...}");
  ServiceContext context;
  for (const auto& entry : node) {
    const auto key = entry.first.as<std::string>();
    const std::string where = absl::StrCat(path, ":", entry.first.Mark().line + 1, ": ", key);
    if (key == "endpoint") {
      TY_ASSIGN_OR_RETURN(context.endpoint, EndpointOf(entry.second.as<std::string>(), where));
    } else if (key == "services" && entry.second.IsMap()) {
      for (const auto& service : entry.second) {
        TY_ASSIGN_OR_RETURN(context.services[service.first.as<std::string>()],
                            EndpointOf(service.second.as<std::string>(), where));
      }
    } else {
      return Wrong(path, entry.first,
                   absl::StrCat("'", key, "' is not known; expected endpoint or services"));
    }
  }
  return context;
}

}  // namespace

absl::StatusOr<std::string> EndpointOf(absl::string_view typed, absl::string_view source) {
  absl::string_view address = absl::StripAsciiWhitespace(typed);
  for (const char* tls : {"https://", "grpcs://"}) {
    if (!absl::StartsWithIgnoreCase(address, tls)) continue;
    return absl::UnimplementedError(
        absl::StrCat(source, " is '", typed, "'; TLS is not offered yet, write http://host:port"));
  }
  for (absl::string_view scheme : {"http://", "grpc://"}) {
    if (absl::StartsWithIgnoreCase(address, scheme)) address.remove_prefix(scheme.size());
  }
  while (absl::ConsumeSuffix(&address, "/")) {
  }
  if (IsPort(address)) return absl::StrCat("127.0.0.1:", address);
  // gRPC's own names (dns:///host:port, unix:path) are its business.
  if (absl::StartsWith(address, "unix:") || absl::StrContains(address, ":///")) {
    return std::string(address);
  }
  const size_t colon = address.rfind(':');
  const absl::string_view host = address.substr(0, colon);
  const bool is_bare_ipv6 = absl::StrContains(host, ':') && !absl::StartsWith(host, "[");
  if (colon == absl::string_view::npos || !IsPort(address.substr(colon + 1)) || is_bare_ipv6 ||
      address.find_first_of("/ @?#") != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(source, " is '", typed, "'; expected host:port such as 127.0.0.1:7000"));
  }
  return host.empty() ? absl::StrCat("127.0.0.1", address) : std::string(address);
}

absl::StatusOr<Contexts> Contexts::Load() {
  Contexts contexts;
  contexts.path_ = FileOfContexts();
  if (contexts.path_.empty()) return contexts;
  const auto text = ReadFile(contexts.path_, kMostBytes);
  if (absl::IsNotFound(text.status())) return contexts;
  if (!text.ok()) return text.status();
  try {
    const YAML::Node root = YAML::Load(*text);
    for (const auto& entry : root) {
      const auto key = entry.first.as<std::string>();
      if (key == "current") {
        contexts.current_ = entry.second.as<std::string>();
      } else if (key == "contexts" && (entry.second.IsMap() || entry.second.IsNull())) {
        for (const auto& context : entry.second) {
          TY_ASSIGN_OR_RETURN(contexts.contexts_[context.first.as<std::string>()],
                              ContextFrom(contexts.path_, context.second));
        }
      } else {
        return Wrong(contexts.path_, entry.first,
                     absl::StrCat("'", key, "' is not known; expected current or contexts"));
      }
    }
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(contexts.path_, ": ", error.what()));
  }
  return contexts;
}

absl::Status Contexts::Save() const {
  if (path_.empty()) {
    return absl::FailedPreconditionError(
        "there is no place for contexts: none of TRAINYARD_CONTEXTS, XDG_CONFIG_HOME and HOME is "
        "set");
  }
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "current" << YAML::Value << YAML::DoubleQuoted << current_;
  out << YAML::Key << "contexts" << YAML::Value << YAML::BeginMap;
  for (const auto& [name, context] : contexts_) {
    out << YAML::Key << YAML::DoubleQuoted << name << YAML::Value << YAML::BeginMap;
    if (!context.endpoint.empty())
      out << YAML::Key << "endpoint" << YAML::Value << context.endpoint;
    if (!context.services.empty())
      out << YAML::Key << "services" << YAML::Value << context.services;
    out << YAML::EndMap;
  }
  out << YAML::EndMap << YAML::EndMap;
  TY_RETURN_IF_ERROR(MakeFolders(DirName(path_)));
  return WriteFileAtomically(path_, absl::StrCat(out.c_str(), "\n"));
}

absl::StatusOr<ServiceContext> Contexts::Find(const std::string& name) const {
  const auto found = contexts_.find(name);
  if (found != contexts_.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, context] : contexts_) names.push_back(known);
  return absl::NotFoundError(
      absl::StrCat("there is no context '", name, "' in '", path_, "'", DidYouMean(name, names),
                   "; make it with: trainyard context set ", name, " --endpoint host:port"));
}

absl::Status Contexts::Remove(const std::string& name) {
  TY_RETURN_IF_ERROR(Find(name).status());
  contexts_.erase(name);
  if (current_ == name) current_.clear();
  return absl::OkStatus();
}

absl::Status Contexts::Use(const std::string& name) {
  if (!name.empty()) TY_RETURN_IF_ERROR(Find(name).status());
  current_ = name;
  return absl::OkStatus();
}

}  // namespace trainyard::cli
