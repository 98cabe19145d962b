#include "services/stage_request/stage_program.h"

#include "libs/networks/registry.h"

namespace trainyard::services {
namespace {

v1::GetCapabilitiesResponse CapabilitiesOf(const StageTable& table) {
  v1::GetCapabilitiesResponse capabilities;
  for (const std::string& name : networks::NetworkNames()) capabilities.add_networks(name);
  for (const StageRow& row : table.stages) capabilities.add_stages(row.kind->name);
  for (const std::string& format : table.formats) capabilities.add_formats(format);
  for (const std::string& what : table.unimplemented) capabilities.add_unimplemented(what);
  return capabilities;
}

service::Stage StageOn(const service::Workspace& workspace, const StageRow& row) {
  service::Stage stage{
      .name = row.kind->name, .prototype = row.kind->request, .lane = row.kind->lane};
  stage.prepare = [&workspace, prepare = row.prepare](const google::protobuf::Message& request,
                                                      service::Occasion occasion) {
    return prepare(request, workspace, occasion);
  };
  return stage;
}

}  // namespace

service::ServiceProgram StageProgram(StageTable table, HandlersFactory make_handlers) {
  return {.service = table.service,
          .description = table.description,
          .default_port = table.default_port,
          .capabilities = CapabilitiesOf(table),
          .worker = table.worker,
          .job_memory = table.job_memory,
          .factory = [stages = std::move(table.stages),
                      make_handlers = std::move(make_handlers)](service::Chassis& chassis)
              -> absl::StatusOr<std::vector<std::unique_ptr<grpc::Service>>> {
            for (const StageRow& row : stages) {
              chassis.operations.AddStage(StageOn(chassis.workspace, row));
            }
            std::vector<std::unique_ptr<grpc::Service>> services;
            services.push_back(make_handlers(chassis));
            return services;
          }};
}

}  // namespace trainyard::services
