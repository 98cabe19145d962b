#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "libs/service/main_support.h"
#include "libs/service/operations.h"
#include "libs/service/server.h"
#include "libs/service/unary.h"
#include "libs/service/workspace.h"
#include "libs/stages/stage_kinds.h"

namespace trainyard::services {

/// One stage of a service.
struct StageRow {
  /// Of the table, by the message that asks for it. Never null.
  const stages::StageKind* kind = nullptr;
  /// As service::Stage::prepare. The workspace outlives the work.
  std::function<absl::StatusOr<service::StageRun>(const google::protobuf::Message& request,
                                                  const service::Workspace& workspace,
                                                  service::Occasion occasion)>
      prepare;
};

/// A row for `prepare`: its kind is that of the type of the request. `Occasion` is service::Occasion, or
/// nothing for a stage to which it does not matter.
template <typename Request, typename... Occasion>
StageRow RowOf(absl::StatusOr<service::StageRun> (*prepare)(const Request&,
                                                            const service::Workspace&,
                                                            Occasion...)) {
  return {.kind = stages::FindStageKind(*Request::descriptor()),
          .prepare =
              [prepare](const google::protobuf::Message& message,
                        const service::Workspace& workspace, service::Occasion occasion) {
                const auto& request = static_cast<const Request&>(message);
                if constexpr (sizeof...(Occasion) == 0) {
                  return prepare(request, workspace);
                } else {
                  return prepare(request, workspace, occasion);
                }
              }};
}

/// Everything that tells one stage service from another, but for its gRPC methods.
struct StageTable {
  /// As in service::ServiceProgram.
  std::string service;
  std::string description;
  int default_port = 0;
  std::vector<StageRow> stages;
  /// As in service::ServerOptions: the program that does the work of stages that run networks.
  std::string worker;
  /// As in ServiceProgram.
  std::string job_memory = "auto";
  /// As in GetCapabilities: file formats read or written, and what is known and not offered.
  std::vector<std::string> formats;
  std::vector<std::string> unimplemented;
};

/// The base of a stage service's gRPC face: each method of `Service` is one call of Start.
///
///     class TrainService final : public StageHandlers<v1::TrainService> {
///      public:
///       using StageHandlers::StageHandlers;
///       grpc::ServerUnaryReactor* Train(grpc::CallbackServerContext* context,
///                                       const v1::TrainRequest* request,
///                                       google::longrunning::Operation* response) override {
///         return Start(context, request, response);
///       }
///     };
template <typename Service>
class StageHandlers : public Service::CallbackService {
 public:
  explicit StageHandlers(service::Chassis& chassis) : chassis_(chassis) {}

 protected:
  /// Starts an operation of the kind of stage that this type of request asks for.
  template <typename Request>
  grpc::ServerUnaryReactor* Start(grpc::CallbackServerContext* context, const Request* request,
                                  service::Operation* response) {
    const std::string& stage = stages::FindStageKind(*Request::descriptor())->name;
    return service::Unary(chassis_.pool, context, stage, response, [this, &stage, request] {
      return chassis_.operations.Start(stage, *request);
    });
  }

 private:
  service::Chassis& chassis_;
};

/// Makes the handlers of a service on its chassis.
using HandlersFactory = std::function<std::unique_ptr<grpc::Service>(service::Chassis& chassis)>;

/// The program of a stage service: its stages are added to the operations of whatever server runs
/// it, and its capabilities are those of the table, for all networks that there are.
service::ServiceProgram StageProgram(StageTable table, HandlersFactory make_handlers);

/// As above, with `Handlers` derived from StageHandlers.
template <typename Handlers>
service::ServiceProgram StageProgram(StageTable table) {
  return StageProgram(std::move(table), [](service::Chassis& chassis) {
    return std::make_unique<Handlers>(chassis);
  });
}

}  // namespace trainyard::services
