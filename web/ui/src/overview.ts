/** Short names for what the API sends; the shapes themselves are generated. */
import type { components } from "./api";

type Schemas = components["schemas"];

export type Overview = Schemas["Overview"];
export type AgentView = Schemas["AgentView"];
export type ConnectivityView = Schemas["ConnectivityView"];
export type EgressView = Schemas["EgressView"];
export type EgressChangeView = Schemas["EgressChangeView"];
export type Summary = Schemas["Summary"];
export type ServiceView = Schemas["ServiceView"];
export type ProbeView = Schemas["ProbeView"];
export type RoundView = Schemas["RoundView"];
export type NodeHealthView = Schemas["NodeHealthView"];
export type AlertView = Schemas["AlertView"];
export type DeliveryView = Schemas["DeliveryView"];
export type OutboxEntry = Schemas["OutboxEntry"];
export type MatcherView = Schemas["MatcherView"];
export type SilenceView = Schemas["SilenceView"];
export type NewSilence = Schemas["NewSilence"];
export type MaintenanceView = Schemas["MaintenanceView"];
/** Whether a change is stored; beside it stands what has changed. */
export type Changed = Pick<Schemas["Changed_SilenceView"], "not_stored">;
export type Problem = Schemas["Problem"];
export type TransitionView = Schemas["TransitionView"];
export type ReceiverView = Schemas["ReceiverView"];
export type Pending = Schemas["Pending"];
export type Seen = Schemas["Seen"];
export type Flow = Schemas["Flow"];
export type Note = Schemas["Note"];
export type Responder = Schemas["Responder"];
export type Tick = Schemas["Tick"];
export type State = Schemas["State"];
