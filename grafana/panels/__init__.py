"""What reads the dashboards as Grafana would: their twins, queries, answers and pictures."""
