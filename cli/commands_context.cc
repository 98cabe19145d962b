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

// Loads, does `change`, saves.
template <typename Change>
int Edit(const Flags& flags, const Change& change) {
  auto contexts = Contexts::Load();
  absl::Status status = contexts.status();
  if (status.ok()) status = change(*contexts);
  if (status.ok()) status = contexts->Save();
  return status.ok() ? 0 : PrintFailure(flags.output, status, FailedAt::kUsage);
}

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
  printf("%s\n", JsonText(line).c_str());
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
  return Edit(flags, [&](Contexts& contexts) -> absl::Status {
    TY_ASSIGN_OR_RETURN(ServiceContext context, ContextOf(flags));
    contexts.Set(flags.name, std::move(context));
    return absl::OkStatus();
  });
}

int Use(const Flags& flags) {
  return Edit(flags, [&](Contexts& contexts) {
    return contexts.Use(flags.name == "none" ? "" : flags.name);
  });
}

int Remove(const Flags& flags) {
  return Edit(flags, [&](Contexts& contexts) { return contexts.Remove(flags.name); });
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
  set.add_option("--service", flags->services, "train=host:port (repeatable)");
  set.add_flag("--json", flags->output.json, "errors as JSON");
  WhenTyped(set, run, flags, Set);
  CLI::App& use = *context.add_subcommand("use", "make one the default");
  use.add_option("name", flags->name, "its name; none: commands run their services themselves")
      ->required();
  use.add_flag("--json", flags->output.json, "errors as JSON");
  WhenTyped(use, run, flags, Use);
  CLI::App& remove = *context.add_subcommand("remove", "forget one");
  remove.add_option("name", flags->name, "its name")->required();
  remove.add_flag("--json", flags->output.json, "errors as JSON");
  WhenTyped(remove, run, flags, Remove);
}

}  // namespace trainyard::cli
