#include "cli/session.h"

#include <stdlib.h>
#include <string.h>

#include <cstdio>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "cli/endpoint.h"
#include "libs/base/files.h"
#include "libs/base/log.h"
#include "libs/base/paths.h"
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

// A line for people begins with its time, one for programs with the field of that name. Devices and
// pipes hold nothing that could be spoilt.
bool MayBeOurLog(const std::string& path) {
  if (!FileExists(path)) return true;
  std::string head(64, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(file.gcount()));
  if (head.empty() || absl::StartsWith(head, "{\"ts\":\"")) return true;
  constexpr absl::string_view kTime = "0000-00-00T00:00:00.000000Z ";
  if (head.size() < kTime.size()) return false;
  for (size_t i = 0; i < kTime.size(); ++i) {
    if (kTime[i] == '0' ? !absl::ascii_isdigit(head[i]) : head[i] != kTime[i]) return false;
  }
  return true;
}

absl::Status CheckLogFile(const Session& session) {
  const std::string& path = session.log_file;
  const auto refuse = [&path](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("--log_file is '", path, "', ", why, "; name another file"));
  };
  const auto options = session.command == nullptr ? std::vector<const CLI::Option*>()
                                                  : session.command->get_options();
  for (const CLI::Option* option : options) {
    if (option->get_name() == "--log_file") continue;
    for (const std::string& value : option->results()) {
      const std::string named(absl::StripPrefix(value, "file:"));
      if (!named.empty() && IsSamePath(named, path)) {
        return refuse(absl::StrCat("which ", option->get_name(), " names too"));
      }
    }
  }
  if (MayBeOurLog(path)) return absl::OkStatus();
  return refuse("which is there and is no log of ours");
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
  session.command = &command;
  AddServiceFlags(command, session);
  command.add_option("--threads", session.house.threads, "threads of in-process services (all)")
      ->check(CLI::Range(0, 4096));
  command.add_flag("--no-wait", session.no_wait, "print the operation's name and end (--endpoint)");
  command.add_flag("--dry-run", session.validate_only, "only check the request");
  command.add_option("--log_file", session.log_file, "write the log there");
}

void WarnOfKeyFile(const std::string& key) {
  absl::string_view path = key;
  if (!absl::ConsumePrefix(&path, "file:")) return;
  auto text = ReadFile(std::string(path), 1 << 16);
  // What cannot be read is told when it is needed.
  if (!text.ok()) return;
  const size_t end = text->find('\n');
  if (end != std::string::npos && text->find_first_not_of(" \t\r\n", end) != std::string::npos) {
    fprintf(stderr,
            "trainyard: warning: the key file '%s' has more than one line; the first is the key\n",
            std::string(path).c_str());
  }
  explicit_bzero(text->data(), text->size());
}

void WarnOfKeyFile(const Session& session) {
  if (session.command == nullptr) return;
  const CLI::Option* key = session.command->get_option_no_throw("--key");
  if (key != nullptr && key->count() > 0) WarnOfKeyFile(key->results().back());
}

absl::Status OpenLogFile(const Session& session) {
  if (session.log_file.empty()) return absl::OkStatus();
  TY_RETURN_IF_ERROR(CheckLogFile(session));
  return StartLogging({.file = session.log_file});
}

}  // namespace trainyard::cli
