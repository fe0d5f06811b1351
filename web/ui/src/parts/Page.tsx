/** The overview page from top to bottom. */
import { isAboutNode } from "../node-grid";
import {
  filterEgressChanges,
  filterProbes,
  filterServices,
  filterTransitions,
  sortProbes,
  sortServices,
} from "../order";
import type { Overview } from "../overview";
import { filter, isLost, overview } from "../view";
import { Alerts } from "./Alerts";
import { Banners } from "./Banners";
import { Dialog } from "./Dialog";
import { FilterBar } from "./FilterBar";
import { Footer } from "./Footer";
import { Header } from "./Header";
import { Nodes } from "./Nodes";
import { Overall } from "./Overall";
import { Receivers } from "./Receivers";
import { Services, StandAlone } from "./Services";
import { Silences } from "./Silences";
import { Transitions } from "./Transitions";

export function Page() {
  const data = overview.value;
  return (
    <div class={`page ${isLost.value ? "stale" : ""}`}>
      <a class="skip" href="#content">
        Skip to the services
      </a>
      <Header />
      <main>
        <Overall />
        <Banners />
        {data && <Content data={data} />}
      </main>
      {data && <Footer data={data} />}
      <Dialog />
    </div>
  );
}

function Content({ data }: { data: Overview }) {
  const services = filterServices(sortServices(data.services), filter.value);
  const others = data.probes.filter((probe) => !isAboutNode(probe));
  const probes = filterProbes(sortProbes(others), filter.value);
  return (
    <>
      <Alerts alerts={data.alerts} />
      <div id="content" tabIndex={-1}>
        <FilterBar />
        <Services shown={services} total={data.services.length} />
        <StandAlone shown={probes} total={others.length} />
        <Nodes
          services={services}
          probes={filterProbes(data.probes.filter(isAboutNode), filter.value)}
          alerts={data.alerts}
        />
      </div>
      <div class="side-by-side">
        <Transitions
          shown={filterTransitions(data.transitions, filter.value)}
          egress={filterEgressChanges(data.agent.egress_changes, filter.value)}
          total={data.transitions.length + data.agent.egress_changes.length}
        />
        <div class="stack">
          <Receivers receivers={data.receivers} />
          <Silences silences={data.silences} maintenance={data.maintenance} />
        </div>
      </div>
    </>
  );
}
