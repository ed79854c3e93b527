# Rendered by the bundle. keepalived reads only the first 8 characters of auth_pass.
global_defs {
    router_id {{ INSTANCE_NAME }}
    vrrp_garp_master_delay {{ GARP_MASTER_DELAY | default(1) }}
    vrrp_garp_master_repeat {{ GARP_MASTER_REPEAT | default(2) }}
}

vrrp_instance {{ INSTANCE_NAME }} {
    state {{ STATE }}
    interface {{ INTERFACE }}
    virtual_router_id {{ VIRTUAL_ROUTER_ID }}
    priority {{ PRIORITY }}
    advert_int {{ ADVERT_INT | default(1) }}
    authentication {
        auth_type PASS
        auth_pass {{ AUTH_PASS }}
    }
{%- if UNICAST_SRC_IP and UNICAST_PEERS_BLOCK %}
    unicast_src_ip {{ UNICAST_SRC_IP }}
    unicast_peer {
{{ UNICAST_PEERS_BLOCK }}
    }
{%- endif %}
    virtual_ipaddress {
        {{ VIP_ADDRESS }}/{{ VIP_CIDR | default(24) }} dev {{ INTERFACE }}
    }
{%- if NOTIFY_MASTER_CMD %}
    notify_master "{{ NOTIFY_MASTER_CMD }}"
{%- endif %}
}

virtual_server {{ VIP_ADDRESS }} {{ HEALTH_PORT | default(6443) }} {
    delay_loop 5
    lb_algo {{ LB_ALGO }}
    lb_kind {{ LB_KIND }}
    protocol TCP

{{ REAL_SERVERS_BLOCK }}
}
