#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace trainyard {

/// Fills one settings struct from a YAML file, the environment and flags; the later wins.
///
///     ServerSettings settings;
///     Settings binder;
///     binder.Bind("max-queue", &settings.max_queue, "operations that may wait");
///     TY_RETURN_IF_ERROR(binder.Load({.file = "train.yaml", .environment_prefix = "TRAINYARD_",
///                                     .environment = EnvironmentOfProcess(), .flags = flags}));
///
/// The name `max-queue` is the flag `--max-queue`, the variable `TRAINYARD_MAX_QUEUE`, and the YAML
/// key `max_queue` (or `max-queue`). Not thread-safe.
class Settings {
 public:
  /// Each binds a name to a variable that outlives this object; what it holds is the default.
  /// A flag of a bool may stand without a value. A duration is "1.5s", "200ms", "2m". A list is a YAML
  /// sequence, or words with commas. A map is a YAML map, or `key=value` words with commas; their flags may be repeated.
  void Bind(absl::string_view name, std::string* target, absl::string_view help);
  void Bind(absl::string_view name, int* target, absl::string_view help, int least = 0,
            int most = 2147483647);
  void Bind(absl::string_view name, bool* target, absl::string_view help);
  void Bind(absl::string_view name, absl::Duration* target, absl::string_view help);
  void Bind(absl::string_view name, std::vector<std::string>* target, absl::string_view help);
  void Bind(absl::string_view name, std::map<std::string, std::string>* target,
            absl::string_view help);

  struct Sources {
    /// A YAML file; "" = none.
    std::string file;
    /// Variables with this prefix are read; one that is not bound is left alone, since a container's
    /// environment is not ours. "" = none.
    std::string environment_prefix;
    std::map<std::string, std::string> environment;
    /// Name -> value, without dashes; ParseFlags makes it.
    std::map<std::string, std::string> flags;
  };
  /// kInvalidArgument lists every problem: unknown names with the nearest known one, values that do
  /// not fit, with `file:line` for YAML. kNotFound when the file is not there. Nothing is changed
  /// unless everything fits.
  absl::Status Load(const Sources& sources);

  /// Splits `--name value`, `--name=value` and `--bool`. Words that are no flag are returned in
  /// `rest`, in order. kInvalidArgument lists unknown flags (nearest names) and missing values.
  struct Parsed {
    std::map<std::string, std::string> flags;
    std::vector<std::string> rest;
  };
  absl::StatusOr<Parsed> ParseFlags(const std::vector<std::string>& arguments) const;

  /// A line for each variable with the prefix that is no setting and looks like one, mistyped:
  /// "TRAINYARD_MAX_QEUE is no setting; did you mean 'TRAINYARD_MAX_QUEUE'?".
  std::vector<std::string> Misspelt(absl::string_view prefix,
                                    const std::map<std::string, std::string>& environment) const;

  /// One line a setting: flag, help, default.
  std::string Help() const;

 private:
  struct Field {
    std::string name;
    std::string help;
    std::string shown_default;
    bool is_bool = false;
    bool is_list = false;
    /// Parses; gives the assignment to be done later, or what is wrong ("is 'x'; expected ...").
    std::function<absl::StatusOr<std::function<void()>>(const std::string& value)> parse;
  };
  void Add(Field field);
  const Field* Find(absl::string_view name) const;
  std::vector<std::string> Names() const;

  std::vector<Field> fields_;
};

/// The environment of this process. For main programs: nothing below `main` reads it.
std::map<std::string, std::string> EnvironmentOfProcess();

}  // namespace trainyard
