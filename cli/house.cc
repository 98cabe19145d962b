#include "cli/house.h"

#include <stdlib.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/endpoint.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"
#include "libs/service/client.h"
#include "services/convert-engine/convert_engine_service.h"
#include "services/convert/convert_service.h"
#include "services/export/export_service.h"
#include "services/orchestrator/orchestrator_program.h"
#include "services/prune/prune_service.h"
#include "services/train/train_service.h"
#include "trainyard/v1/capabilities.grpc.pb.h"
#include "yaml-cpp/yaml.h"

namespace trainyard::cli {
namespace {

using ProgramFunction = service::ServiceProgram (*)();

constexpr int64_t kMostAddressBytes = 1 << 20;

const std::map<std::string, ProgramFunction>& Programs() {
  static const auto* programs = new std::map<std::string, ProgramFunction>{
      {"convert", services::ConvertServiceProgram},
      {"train", services::TrainServiceProgram},
      {"prune", services::PruneServiceProgram},
      {"export", services::ExportServiceProgram},
      {"convert-engine", services::ConvertEngineServiceProgram},
      {"orchestrator", [] { return orchestrator::OrchestratorServiceProgram({}); }},
  };
  return *programs;
}

std::vector<std::string> ServiceNames() {
  std::vector<std::string> names;
  for (const auto& [name, program] : Programs()) names.push_back(name);
  return names;
}

absl::StatusOr<std::string> MakeStateDir() {
  const char* base = getenv("TMPDIR");
  std::string path = JoinPath(base != nullptr ? base : "/tmp", "trainyard-XXXXXX");
  if (mkdtemp(path.data()) == nullptr) {
    return absl::InternalError(absl::StrCat("cannot make a folder like '", path, "'"));
  }
  return path;
}

}  // namespace

absl::StatusOr<service::ServiceProgram> ProgramOf(const std::string& service) {
  const auto found = Programs().find(service);
  if (found != Programs().end()) return found->second();
  const std::vector<std::string> names = ServiceNames();
  return absl::InvalidArgumentError(absl::StrCat("there is no service '", service,
                                                 "'; known: ", absl::StrJoin(names, ", "),
                                                 DidYouMean(service, names)));
}

absl::Status CheckService(const std::shared_ptr<grpc::Channel>& channel,
                          const std::string& service) {
  const auto stub = v1::CapabilitiesService::NewStub(channel);
  TY_ASSIGN_OR_RETURN(const v1::GetCapabilitiesResponse found,
                      service::Call(*stub, &v1::CapabilitiesService::Stub::GetCapabilities,
                                    v1::GetCapabilitiesRequest()));
  if (found.service() == service) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("the service that answers there is '",
                                               found.service(), "'; this command needs '", service,
                                               "'"));
}

absl::Status Explained(const absl::Status& failure, const std::shared_ptr<grpc::Channel>& channel,
                       const std::string& service) {
  // gRPC's own answer to an unknown method has no text.
  if (!absl::IsUnimplemented(failure) || !failure.message().empty()) return failure;
  const absl::Status other = CheckService(channel, service);
  return absl::IsUnimplemented(other) && !other.message().empty() ? other : failure;
}

absl::StatusOr<std::map<std::string, std::string>> LoadAddresses(const std::string& path) {
  std::map<std::string, std::string> addresses;
  TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMostAddressBytes));
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": names no services; expected {train: host:port, ...}"));
    }
    for (const auto& entry : root) {
      const auto name = entry.first.as<std::string>();
      TY_RETURN_IF_ERROR(
          Annotate(ProgramOf(name).status(), absl::StrCat(path, ":", entry.first.Mark().line + 1)));
      TY_ASSIGN_OR_RETURN(
          addresses[name],
          EndpointOf(entry.second.as<std::string>(),
                     absl::StrCat(path, ":", entry.first.Mark().line + 1, ": ", name)));
    }
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what()));
  }
  return addresses;
}

House::House(Options options) : options_(std::move(options)) {}

House::~House() {
  servers_.clear();
  // Nothing to tell when it stays: it is in the temporary folder.
  if (!temporary_dir_.empty()) RemoveTree(temporary_dir_).IgnoreError();
}

std::string House::Elsewhere(const std::string& service) const {
  if (!options_.endpoint.empty()) return options_.endpoint;
  const auto found = options_.addresses.find(service);
  return found == options_.addresses.end() ? "" : found->second;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> House::Channel(const std::string& service) {
  TY_RETURN_IF_ERROR(ProgramOf(service).status());
  if (const auto address = Elsewhere(service); !address.empty()) {
    return service::MakeChannel(address);
  }
  TY_ASSIGN_OR_RETURN(service::Server * server, Start(service));
  return server->InProcessChannel();
}

absl::StatusOr<std::string> House::Address(const std::string& service) {
  if (const auto address = Elsewhere(service); !address.empty()) return address;
  TY_ASSIGN_OR_RETURN(service::Server * server, Start(service));
  return server->address();
}

// The orchestrator reaches the stage services by address, wherever they are.
absl::StatusOr<service::ServiceProgram> House::Program(const std::string& service) {
  if (service != "orchestrator") return ProgramOf(service);
  std::map<std::string, std::vector<std::string>> addresses;
  for (const auto& [name, program] : Programs()) {
    if (name == service) continue;
    TY_ASSIGN_OR_RETURN(const std::string address, Address(name));
    addresses[name] = {address};
  }
  return orchestrator::OrchestratorServiceProgram(std::move(addresses));
}

absl::StatusOr<service::Server*> House::Start(const std::string& service) {
  if (const auto found = servers_.find(service); found != servers_.end()) {
    return found->second.get();
  }
  TY_ASSIGN_OR_RETURN(const service::ServiceProgram program, Program(service));
  if (options_.state_dir.empty()) {
    TY_ASSIGN_OR_RETURN(temporary_dir_, MakeStateDir());
    options_.state_dir = temporary_dir_;
  }
  service::ServerOptions options;
  options.service = service;
  // A loopback port, since the embedded orchestrator reaches the others by address.
  options.address = "127.0.0.1:0";
  options.workspace = "/";
  options.workspace_base = std::filesystem::current_path().string();
  options.state_dir = JoinPath(options_.state_dir, service);
  options.threads = options_.threads;
  options.capabilities = program.capabilities;
  options.worker = program.worker;
  options.job_memory = program.job_memory;
  TY_ASSIGN_OR_RETURN(std::unique_ptr<service::Server> server,
                      service::Server::Start(std::move(options), program.factory));
  return servers_.emplace(service, std::move(server)).first->second.get();
}

}  // namespace trainyard::cli
