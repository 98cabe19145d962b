#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "cli/commands.h"
#include "cli/display.h"
#include "cli/endpoint.h"
#include "cli/house.h"
#include "google/protobuf/struct.pb.h"
#include "libs/base/status.h"

namespace trainyard::cli {
namespace {

struct Flags {
  OutputOptions output;
  std::string name, endpoint;
  std::vector<std::string> services;
};

void PrintAsJson(const std::string& name, const ServiceContext& context, bool is_default) {
  google::protobuf::Struct line;
  auto& fields = *line.mutable_fields();
  fields["name"].set_string_value(name);
  fields["default"].set_bool_value(is_default);
  fields["endpoint"].set_string_value(context.endpoint);
  auto& services = *fields["services"].mutable_struct_value()->mutable_fields();
  for (const auto& [service, address] : context.services) {
    services[service].set_string_value(address);
  }
  PrintJson(line);
}

// Loads, does `change`, which gives what it is about, and saves.
template <typename Change>
int Edit(const Flags& flags, const Change& change) {
  auto contexts = Contexts::Load();
  if (!contexts.ok()) return PrintFailure(flags.output, contexts.status(), FailedAt::kUsage);
  const absl::StatusOr<ServiceContext> changed = change(*contexts);
  const absl::Status status = changed.ok() ? contexts->Save() : changed.status();
  if (!status.ok()) return PrintFailure(flags.output, status, FailedAt::kUsage);
  if (flags.output.json) {
    PrintAsJson(flags.name, *changed, flags.name == contexts->current());
  }
  return 0;
}

int List(const Flags& flags) {
  const auto contexts = Contexts::Load();
  if (!contexts.ok()) return PrintFailure(flags.output, contexts.status(), FailedAt::kUsage);
  for (const auto& [name, context] : contexts->all()) {
    if (flags.output.json) {
      PrintAsJson(name, context, name == contexts->current());
      continue;
    }
    std::string where = context.endpoint;
    for (const auto& [service, address] : context.services) {
      absl::StrAppend(&where, where.empty() ? "" : " ", service, "=", address);
    }
    printf("%c %-16s %s\n", name == contexts->current() ? '*' : ' ', name.c_str(), where.c_str());
  }
  return 0;
}

absl::StatusOr<ServiceContext> ContextOf(const Flags& flags) {
  ServiceContext context;
  if (!flags.endpoint.empty()) {
    TY_ASSIGN_OR_RETURN(context.endpoint, EndpointOf(flags.endpoint, "--endpoint"));
  }
  for (const std::string& pair : flags.services) {
    const std::vector<std::string> parts = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    if (parts.size() != 2) {
      return absl::InvalidArgumentError(
          absl::StrCat("--service is '", pair, "'; expected name=host:port"));
    }
    TY_RETURN_IF_ERROR(Annotate(ProgramOf(parts[0]).status(), "--service"));
    TY_ASSIGN_OR_RETURN(context.services[parts[0]], EndpointOf(parts[1], "--service"));
  }
  if (context.endpoint.empty() && context.services.empty()) {
    return absl::InvalidArgumentError("give --endpoint host:port, or --service name=host:port");
  }
  return context;
}

int Set(const Flags& flags) {
  return Edit(flags, [&](Contexts& contexts) -> absl::StatusOr<ServiceContext> {
    if (flags.name == "none") {
      return absl::InvalidArgumentError(
          "name is 'none', which `context use none` takes for no context; choose another");
    }
    TY_ASSIGN_OR_RETURN(const ServiceContext context, ContextOf(flags));
    contexts.Set(flags.name, context);
    return context;
  });
}

int Use(const Flags& flags) {
  return Edit(flags, [&](Contexts& contexts) -> absl::StatusOr<ServiceContext> {
    const bool is_none = flags.name == "none";
    TY_RETURN_IF_ERROR(contexts.Use(is_none ? "" : flags.name));
    return is_none ? ServiceContext() : contexts.Find(flags.name);
  });
}

int Remove(const Flags& flags) {
  return Edit(flags, [&](Contexts& contexts) -> absl::StatusOr<ServiceContext> {
    TY_ASSIGN_OR_RETURN(const ServiceContext context, contexts.Find(flags.name));
    TY_RETURN_IF_ERROR(contexts.Remove(flags.name));
    return context;
  });
}

}  // namespace

void AddContextCommands(CLI::App& app, Run& run) {
  auto flags = std::make_shared<Flags>();
  CLI::App& context =
      *app.add_subcommand("context", "names for running services, for --context and as a default");
  context.require_subcommand(1);
  CLI::App& list = *context.add_subcommand("list", "list them; * is the default");
  list.add_flag("--json", flags->output.json, "one JSON object a line; errors as JSON");
  WhenTyped(list, run, flags, List);
  CLI::App& set = *context.add_subcommand("set", "make one, or replace it");
  set.add_option("name", flags->name, "its name")->required();
  set.add_option("--endpoint", flags->endpoint, "host:port of the service that commands need");
  set.add_option("--service", flags->services, "train=host:port (repeatable)")
      ->allow_extra_args(false);
  set.add_flag("--json", flags->output.json, "what was set as JSON");
  WhenTyped(set, run, flags, Set);
  CLI::App& use = *context.add_subcommand("use", "make one the default");
  use.add_option("name", flags->name, "its name; none: commands run their services themselves")
      ->required();
  use.add_flag("--json", flags->output.json, "what is used as JSON");
  WhenTyped(use, run, flags, Use);
  CLI::App& remove = *context.add_subcommand("remove", "forget one");
  remove.add_option("name", flags->name, "its name")->required();
  remove.add_flag("--json", flags->output.json, "what was removed as JSON");
  WhenTyped(remove, run, flags, Remove);
}

}  // namespace trainyard::cli
