#include "cli/session.h"

#include <stdlib.h>

#include "absl/strings/str_cat.h"
#include "cli/endpoint.h"
#include "libs/base/log.h"
#include "libs/base/status.h"

namespace trainyard::cli {

namespace {

std::string Variable(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

absl::Status UseEndpoint(const std::string& typed, absl::string_view source,
                         House::Options& house) {
  TY_ASSIGN_OR_RETURN(house.endpoint, EndpointOf(typed, source));
  return absl::OkStatus();
}

absl::Status UseContext(const Contexts& contexts, const std::string& name, House::Options& house) {
  TY_ASSIGN_OR_RETURN(const ServiceContext context, contexts.Find(name));
  house.endpoint = context.endpoint;
  house.addresses = context.services;
  for (const auto& [service, address] : house.addresses) {
    TY_RETURN_IF_ERROR(Annotate(ProgramOf(service).status(), absl::StrCat("context '", name, "'")));
  }
  return absl::OkStatus();
}

}  // namespace

void AddServiceFlags(CLI::App& command, Session& session) {
  command.add_option("--endpoint", session.endpoint,
                     "host:port of a running service (in process otherwise)");
  command.add_option("--services", session.services_file,
                     "YAML file of running services: {train: host:port, ...}");
  command.add_option("--context", session.context,
                     "running services by the name that `trainyard context` knows");
  command.add_flag("--json", session.output.json, "one JSON object a line on stdout");
  command.add_flag("-q,--quiet", session.output.quiet, "no progress; warnings stay");
}

absl::StatusOr<House::Options> WhereServicesAre(const Session& session) {
  House::Options house = session.house;
  if (!session.services_file.empty()) {
    TY_ASSIGN_OR_RETURN(house.addresses, LoadAddresses(session.services_file));
  }
  if (!session.endpoint.empty())
    TY_RETURN_IF_ERROR(UseEndpoint(session.endpoint, "--endpoint", house));
  if (!session.endpoint.empty() || !session.services_file.empty()) return house;
  const std::string endpoint = Variable("TRAINYARD_ENDPOINT");
  if (session.context.empty() && !endpoint.empty()) {
    TY_RETURN_IF_ERROR(UseEndpoint(endpoint, "TRAINYARD_ENDPOINT", house));
    return house;
  }
  TY_ASSIGN_OR_RETURN(const Contexts contexts, Contexts::Load());
  std::string name = session.context;
  if (name.empty()) name = Variable("TRAINYARD_CONTEXT");
  if (name.empty()) name = contexts.current();
  if (!name.empty()) TY_RETURN_IF_ERROR(UseContext(contexts, name, house));
  return house;
}

void AddSessionFlags(CLI::App& command, Session& session) {
  AddServiceFlags(command, session);
  command.add_option("--threads", session.house.threads, "threads of in-process services (all)");
  command.add_flag("--no-wait", session.no_wait, "print the operation's name and end (--endpoint)");
  command.add_flag("--dry-run", session.validate_only, "only check the request");
  command.add_option("--log_file", session.log_file, "write the log there");
}

absl::Status OpenLogFile(const Session& session) {
  if (session.log_file.empty()) return absl::OkStatus();
  return StartLogging({.file = session.log_file});
}

}  // namespace trainyard::cli
