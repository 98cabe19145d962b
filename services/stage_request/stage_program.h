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

namespace trainyard {

/// One stage of a service.
struct StageRow {
  /// `train`: of operations' metadata, the capabilities and log lines.
  std::string name;
  /// The message that asks for it; each row of a service has its own.
  const google::protobuf::Message* prototype = nullptr;
  /// As service::Stage::prepare. The workspace outlives the work.
  std::function<absl::StatusOr<service::StageRun>(const google::protobuf::Message& request,
                                                  const service::Workspace& workspace,
                                                  service::Occasion occasion)>
      prepare;
  /// As service::Stage::lane.
  std::string lane;
};

/// A row for `prepare`, from which the type of the request is taken. `Occasion` is service::Occasion, or
/// nothing for a stage to which it does not matter.
template <typename Request, typename... Occasion>
StageRow RowOf(std::string name,
               absl::StatusOr<service::StageRun> (*prepare)(const Request&,
                                                            const service::Workspace&, Occasion...),
               std::string lane = service::Stage().lane) {
  return {.name = std::move(name),
          .prototype = &Request::default_instance(),
          .prepare =
              [prepare](const google::protobuf::Message& message,
                        const service::Workspace& workspace, service::Occasion occasion) {
                const auto& request = static_cast<const Request&>(message);
                if constexpr (sizeof...(Occasion) == 0) {
                  return prepare(request, workspace);
                } else {
                  return prepare(request, workspace, occasion);
                }
              },
          .lane = std::move(lane)};
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
  StageHandlers(service::Chassis& chassis, std::vector<StageRow> stages)
      : chassis_(chassis), stages_(std::move(stages)) {}

 protected:
  /// Starts an operation of the stage whose row has this type of request.
  template <typename Request>
  grpc::ServerUnaryReactor* Start(grpc::CallbackServerContext* context, const Request* request,
                                  service::Operation* response) {
    const std::string& stage = NameOf(*Request::descriptor());
    return service::Unary(chassis_.pool, context, stage, response, [this, &stage, request] {
      return chassis_.operations.Start(stage, *request);
    });
  }

 private:
  // The full name of the message when no row has it: then OperationManager::Start refuses it by
  // that.
  const std::string& NameOf(const google::protobuf::Descriptor& request) const {
    for (const StageRow& row : stages_) {
      if (row.prototype->GetDescriptor() == &request) return row.name;
    }
    return request.full_name();
  }

  service::Chassis& chassis_;
  const std::vector<StageRow> stages_;
};

/// Makes the handlers of a service on its chassis.
using HandlersFactory = std::function<std::unique_ptr<grpc::Service>(service::Chassis& chassis,
                                                                     std::vector<StageRow> stages)>;

/// The program of a stage service: its stages are added to the operations of whatever server runs
/// it, and its capabilities are those of the table, for all networks that there are.
service::ServiceProgram StageProgram(StageTable table, HandlersFactory make_handlers);

/// As above, with `Handlers` derived from StageHandlers.
template <typename Handlers>
service::ServiceProgram StageProgram(StageTable table) {
  return StageProgram(std::move(table),
                      [](service::Chassis& chassis, std::vector<StageRow> stages) {
                        return std::make_unique<Handlers>(chassis, std::move(stages));
                      });
}

}  // namespace trainyard
