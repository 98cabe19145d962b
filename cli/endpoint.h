#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::cli {

/// An address as people type it, as host:port: `http://host:7000/`, `host:7000`, `:7000` and `7000`
/// (this machine). kUnimplemented for https (TLS is not offered); kInvalidArgument, naming `source`
/// ("--endpoint"), for a host without a port and for anything else.
absl::StatusOr<std::string> EndpointOf(absl::string_view typed, absl::string_view source);

/// Where services run, under a name: one address for all, or one for each service.
struct ServiceContext {
  std::string endpoint;
  std::map<std::string, std::string> services;
};

/// The contexts of a user: `$TRAINYARD_CONTEXTS`, else `trainyard/contexts.yaml` in
/// `$XDG_CONFIG_HOME` or `~/.config`.
class Contexts {
 public:
  /// No contexts when the file is not there; kInvalidArgument, with file and line, when it cannot
  /// be read as one.
  static absl::StatusOr<Contexts> Load();
  /// Replaces the file: temporary name, sync, rename.
  absl::Status Save() const;

  const std::map<std::string, ServiceContext>& all() const { return contexts_; }
  /// "" = commands run their services themselves.
  const std::string& current() const { return current_; }
  /// kNotFound with the nearest name.
  absl::StatusOr<ServiceContext> Find(const std::string& name) const;
  void Set(const std::string& name, ServiceContext context) {
    contexts_[name] = std::move(context);
  }
  absl::Status Remove(const std::string& name);
  /// "" for none. kNotFound as Find.
  absl::Status Use(const std::string& name);

 private:
  std::string path_;
  std::string current_;
  std::map<std::string, ServiceContext> contexts_;
};

}  // namespace trainyard::cli
