// What may stand in a dashboard's file: Grafana's own types, as JSON writes them.
import type * as raw from 'grafana-raw/dashboard/x/types.gen';
import type * as barchart from 'grafana-raw/composable/barchart/panelcfg/x/types.gen';
import type * as bargauge from 'grafana-raw/composable/bargauge/panelcfg/x/types.gen';
import type * as stat from 'grafana-raw/composable/stat/panelcfg/x/types.gen';
import type * as table from 'grafana-raw/composable/table/panelcfg/x/types.gen';
import type * as text from 'grafana-raw/composable/text/panelcfg/x/types.gen';
import type * as timeseries from 'grafana-raw/composable/timeseries/panelcfg/x/types.gen';

/** In JSON a member of an enum of strings is its string. */
type Json<T> = unknown extends T
  ? T
  : T extends string
    ? `${T}`
    : T extends (infer E)[]
      ? Json<E>[]
      : T extends object
        ? { [K in keyof T]: Json<T[K]> }
        : T;

/** What is left out of a panel's options has Grafana's default. */
type Some<T> = T extends unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: Some<T[K]> }
    : T;

type FieldConfig = Omit<Json<raw.FieldConfig>, 'custom'>;

/** An override's properties go by their path: `unit`, `custom.width`, `custom.hideFrom.viz`. */
type Path<T, Before extends string> = {
  [K in keyof T & string]: { id: `${Before}${K}`; value: NonNullable<T[K]> };
}[keyof T & string];
type Inner<T> = {
  [K in keyof T & string]: NonNullable<T[K]> extends unknown[] | string | number | boolean
    ? never
    : Path<NonNullable<T[K]>, `custom.${K}.`>;
}[keyof T & string];
type Property<Custom> = Path<FieldConfig, ''> | Path<Custom, 'custom.'> | Inner<Custom>;

interface FieldConfigSource<Custom> {
  defaults: FieldConfig & { custom?: Custom };
  overrides: { matcher: Json<raw.MatcherConfig>; properties: Property<Custom>[] }[];
}

/** The data sources' queries have no published types: what is used here of each. */
type Source<Type extends string> = { type: Type; uid: string };
type Target =
  | {
      refId: string;
      datasource: Source<'prometheus'>;
      expr: string;
      legendFormat?: string;
      format?: 'table' | 'time_series';
      instant?: boolean;
      range?: boolean;
      interval?: string;
      editorMode?: 'code';
    }
  | {
      refId: string;
      datasource: Source<'grafana-postgresql-datasource'>;
      rawSql: string;
      rawQuery: true;
      format: 'table' | 'time_series';
      editorMode: 'code';
    };

type Transformation = Omit<Json<raw.DataTransformerConfig>, 'id' | 'options'> &
  (
    | {
        id: 'organize';
        options: {
          excludeByName?: Record<string, boolean>;
          indexByName?: Record<string, number>;
          renameByName?: Record<string, string>;
        };
      }
    | {
        id: 'configFromData';
        options: {
          configRefId: string;
          applyTo?: Json<raw.MatcherConfig>;
          mappings: { fieldName: string; handlerKey: 'threshold1'; handlerArguments?: unknown }[];
        };
      }
  );

type Replaced = 'type' | 'options' | 'fieldConfig' | 'targets' | 'transformations';
type PanelOf<Kind extends string, Options, Custom = object> = Omit<Json<raw.Panel>, Replaced> & {
  type: Kind;
  options: Some<Json<Options>>;
  fieldConfig?: FieldConfigSource<Some<Json<Custom>>>;
  targets?: Target[];
  transformations?: Transformation[];
};

/** From Grafana's public/app/plugins/panel/alertlist/types.ts, which is not published. */
interface AlertListOptions {
  maxItems: number;
  sortOrder: 1 | 2 | 3 | 4 | 5;
  dashboardAlerts: boolean;
  groupMode: 'default' | 'custom';
  groupBy: string[];
  alertName: string;
  showInstances: boolean;
  folder: { id: number; title: string };
  stateFilter: Record<'firing' | 'pending' | 'noData' | 'normal' | 'error', boolean>;
  alertInstanceLabelFilter: string;
  datasource: string;
  viewMode: 'list' | 'stat';
}

type Panel =
  | PanelOf<'alertlist', AlertListOptions>
  | PanelOf<'barchart', barchart.Options, barchart.FieldConfig>
  | PanelOf<'bargauge', bargauge.Options>
  | PanelOf<'stat', stat.Options>
  | PanelOf<'table', table.Options, table.FieldConfig>
  | PanelOf<'text', text.Options>
  | PanelOf<'timeseries', timeseries.Options, timeseries.FieldConfig>;

type Row = Omit<Json<raw.RowPanel>, 'panels'> & { panels: Panel[] };

export type DashboardFile = Omit<Json<raw.Dashboard>, 'panels'> & { panels: (Panel | Row)[] };
