package Test::Gate::Bench;

# What t/bench/run and t/bench/instructions share: the world that is measured
# in (users with certificates, countries of the world, a backend with
# documents, Redis), the program that sends requests, and the configurations of
# what is compared.
#
#   my $bench = Test::Gate::Bench->new;
#   my $front = $bench->front('gate', under => ['taskset', '-c', 0]);
#   my $clients = $bench->clients($front, 'refused country', requests => 1000);
#   $clients->ready;
#   my %got = $clients->send;
#
# A front has the same locations whatever it is made of:
#
#   /            the documents
#   /refused/    nothing but a refusal, of nginx's own
#   /spent/      the documents, for users who have nothing left
#   /many/       the documents, for users that "X-User" names
#   /one/        the documents, on one account for all

use strict;
use warnings;

use Test::Gate;
use Test::Gate::Bench::Clients;

# one address may pass, the other not

my $users = 50;
my $here = '133.11.0.1';
my $elsewhere = '8.8.8.8';

my %documents = ('1k' => 1024, '100k' => 100 * 1024, '10m' => 10 * 1024 ** 2);

my $modules = '/usr/lib/nginx/modules';
my $haproxy_binary = '/usr/sbin/haproxy';

# What is asked of a front, and what bare nginx is asked in its place: whoever
# refuses says so in some hundred bytes, but for the gate's page for people.

my %cases = (
    '1 KiB'           => { uri => '/1k' },
    '100 KiB'         => { uri => '/100k' },
    '10 MiB'          => { uri => '/10m', connections => 16 },
    'refused country' => { uri => '/1k', from => $elsewhere, status => 403,
                           accept => 'application/json',
                           bare => { uri => '/refused/' } },
    'refused quota'   => { uri => '/spent/1k', status => 429,
                           accept => 'application/json',
                           bare => { uri => '/refused/', status => 403 } },
    'page of refusal' => { uri => '/1k', from => $elsewhere, status => 403,
                           accept => 'text/html',
                           bare => { uri => '/refused/' } },
    'new handshake'   => { uri => '/1k', close => 1 },
    'one account'     => { uri => '/one/1k' },
    'many accounts'   => { uri => '/many/1k', users => 50 },
);

# What a front is made of: the modules it loads; what stands in "http"; and
# what in a location, by what that is for.

my %nginx = (
    bare => { modules => [], http => '',
              location => { map { $_ => '' } qw(all spent many one) } },

    gate => {
        http => <<'END',
    gate_zone   %%ZONE%%;
    gate_geoip  %%DIR%%/country.mmdb;

    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 30s; }

    gate_policy staff {
        user           $gate_cert_email;
        allow_country  JP;
        quota          bytes=1000000g per=day %%NOON%%;
        quota          requests=100000m per=1h;
        quota          documents=100m per=day %%NOON%%;
    }

    gate_policy spent {
        user           $gate_cert_email;
        allow_country  JP;
        quota          bytes=1k per=day %%NOON%%;
        quota          requests=100000m per=1h;
        quota          documents=100m per=day %%NOON%%;
    }

    gate_policy many {
        user           $http_x_user;
        allow_country  JP;
        lease          64k idle=1h;
        quota          bytes=1000000g per=day %%NOON%%;
        quota          requests=100000m per=24h;
        quota          requests=100000m per=day %%NOON%%;
    }

    gate_policy one {
        user           one;
        allow_country  JP;
        quota          bytes=1000000g per=day %%NOON%%;
        quota          requests=100000m per=1h;
        quota          documents=100m per=day %%NOON%%;
    }
END
        location => { all => 'gate staff;', spent => 'gate spent;',
                      many => 'gate many;', one => 'gate one;' },
    },

    # country and a rate of requests, on one host; no bytes
    'geoip2 + limit_req' => {
        modules => ['ngx_http_geoip2_module'],
        http => <<'END',
    geoip2 %%DIR%%/country.mmdb {
        $cc source=$remote_addr country iso_code;
    }

    map $cc $elsewhere { default 1; JP 0; }

    limit_req_zone  $ssl_client_s_dn zone=users:10m rate=1000000r/s;
    limit_req_zone  $ssl_client_s_dn zone=spent:10m rate=1r/m;
    limit_req_zone  $http_x_user zone=many:256m rate=1000000r/s;
    limit_req_zone  $server_name zone=one:10m rate=1000000r/s;
    limit_req_status  429;
    limit_req_log_level  info;
END
        location => {
            all => 'if ($elsewhere) { return 403; }'
                   . ' limit_req zone=users burst=100000 nodelay;',
            spent => 'if ($elsewhere) { return 403; } limit_req zone=spent;',
            many => 'if ($elsewhere) { return 403; }'
                    . ' limit_req zone=many burst=100000 nodelay;',
            one => 'if ($elsewhere) { return 403; }'
                   . ' limit_req zone=one burst=100000 nodelay;',
        },
    },

    'Lua, Redis each time' => lua('each', ''),
    'Lua, flushed' => lua('flushed', <<'END'),
    lua_shared_dict  used 256m;
    lua_shared_dict  added 256m;
    init_worker_by_lua_block { quota.start() }
END
);

# Each user's bytes and requests in the certificate's name; one host, no
# geography.

my $haproxy = <<'END';
global
    maxconn 8192
    nbthread %%WORKERS%%
    stats socket %%DIR%%/haproxy.sock

defaults
    mode http
    timeout connect 5s
    timeout client 300s
    timeout server 300s

frontend front
    bind 127.0.0.1:%%PORT%% ssl crt %%DIR%%/localhost.pem ca-file %%DIR%%/ca.pem verify required ssl-min-ver TLSv1.3 no-tls-tickets
    stick-table type string len 64 size 2m expire 1d store http_req_cnt,bytes_out_cnt
    http-request set-src hdr(X-Forwarded-For)
    http-request deny deny_status 403 if { path_beg /refused/ }
    http-request track-sc0 hdr(X-User) if { path_beg /many/ }
    http-request track-sc0 str(one) if { path_beg /one/ }
    http-request track-sc0 ssl_c_s_dn(CN)
    http-request deny deny_status 429 if { path_beg /spent/ } { sc0_http_req_cnt gt 1 }
    http-request deny deny_status 429 if { sc0_http_req_cnt gt 2000000000 } || { sc0_kbytes_out gt 2000000000 }
    http-request replace-path /(many|one|spent)/(.*) /\2
    default_backend documents

backend documents
    http-reuse always
    server documents 127.0.0.1:%%BACKEND%% maxconn 2048
END

my @fronts = ('bare', 'gate', 'geoip2 + limit_req', 'Lua, Redis each time',
              'Lua, flushed', 'HAProxy');

# Those that Debian has: the others are not measured.

sub fronts { return grep { there_is($_) } @fronts }

sub there_is {
    my ($name) = @_;

    return -x $haproxy_binary if $name eq 'HAProxy';

    my @needed = map { "$modules/$_.so" } @{ $nginx{$name}{modules} // [] };

    push @needed, '/usr/share/lua/5.1/nginx/redis.lua' if $name =~ /^Lua/;

    return !grep { !-e } @needed;
}

# HAProxy ends with us, whatever ends us, as all else of Test::Gate's does.

my ($owner, @pids) = ($$);

END { stop_haproxy() }

sub stop_haproxy {
    local $?;

    for my $pid ($$ == $owner ? splice @pids : ()) {
        kill TERM => $pid;
        waitpid $pid, 0;
    }
}

# aside => [ ... ] is what all but the fronts run under.

sub new {
    my ($class, %o) = @_;

    my $t = Test::Gate->new;
    my $self = bless { aside => [], %o, t => $t }, $class;

    $self->{program} = $self->compile;
    $self->world;

    $t->certificate("user$_", cn => "user$_", email => "user$_\@example.jp")
        for 0 .. $users - 1;
    $t->certificate('localhost', server => 1);
    $t->document($_, $documents{$_}) for keys %documents;

    $self->{redis} = $t->redis(under => $self->{aside});
    $self->backend;

    return $self;
}

sub redis { return $_[0]{redis} }

# HAProxy knows no countries.

sub can_do {
    my ($self, $name, $case) = @_;

    return $name ne 'HAProxy' || !$cases{$case}{from};
}

sub certificates { return map { "$_[0]{t}{dir}/user$_.pem" } 0 .. $users - 1 }

sub compile {
    my ($self) = @_;

    my $top = $self->{t}->top;
    my $program = "$top/build/load";

    system('cc', '-O2', '-Wall', '-Wextra', '-o', $program,
           "$top/t/bench/load.c", '-lssl', '-lcrypto') == 0
        or die 't/bench/load.c does not compile';

    return $program;
}

# Debian's tor-geoipdb, as the quickstart has it.

sub world {
    my ($self) = @_;

    my $top = $self->{t}->top;
    my $kept = "$top/build/bench.mmdb";

    -e $kept
        || system('perl', "$top/conf-examples/quickstart/country.pl",
                  $kept) == 0
        or die 'no database of countries';

    symlink $kept, "$self->{t}{dir}/country.mmdb" or die "symlink: $!";
}

sub backend {
    my ($self) = @_;

    my $port = $self->{t}->port;

    $self->{backend} = $port;
    $self->{t}->nginx(<<"END", port => $port, under => $self->{aside},
worker_processes  1;
events { worker_connections  8192; }

http {
    access_log          off;
    sendfile            on;
    tcp_nopush          on;
    keepalive_requests  1000000000;
    keepalive_timeout   1h;
    open_file_cache     max=100;

    server {
        listen  127.0.0.1:%%PORT%% backlog=4096;
        root    %%DIR%%/docs;
    }
}
END
                      modules => [], level => 'warn');
}

# Starts one; workers => 2, zone => '1024m', http => what is added to that block,
# and what Test::Gate::Nginx takes.

sub front {
    my ($self, $name, %o) = @_;

    my $t = $self->{t};
    my $port = $t->port;
    my $front = $name eq 'HAProxy' ? $self->haproxy($port, %o)
                                   : $self->nginx($name, $port, %o);

    # the gate first hears from Redis

    $t->wait_for(sub {
        return $t->get('/1k', port => $port, cert => 'user0', from => $here)
                 ->{status} == 200;
    }) or die "$name does not serve\n";

    return $front;
}

sub nginx {
    my ($self, $name, $port, %o) = @_;

    my $t = $self->{t};
    my $modules = $nginx{$name}{modules};

    my $front = $t->nginx($self->conf($name, %o), port => $port,
                          level => 'warn',
                          $modules ? (modules => $modules) : (), %o);

    return { name => $name, port => $port, nginx => $front,
             workers => [ $front->workers ] };
}

sub conf {
    my ($self, $name, %o) = @_;

    my ($http, $location) = @{ $nginx{$name} }{qw(http location)};
    my $workers = $o{workers} // 1;
    my $affinity = $workers > 1 ? 'worker_cpu_affinity  auto;' : '';
    my $master = $o{single} ? 'master_process  off;' : '';
    my $noon = $self->{t}->noon;
    my $zone = $o{zone} // '32m';
    my $server = $o{server} // '';

    $http .= $o{http} // '';
    $http =~ s/%%NOON%%/$noon/g;
    $http =~ s/%%ZONE%%/$zone/g;
    $http =~ s/%%TOP%%/$self->{t}->top/ge;

    my $locations = join "\n", map {
        my $at = $_ eq 'all' ? '/' : "/$_/";
        my $to = $_ eq 'all' ? '' : '/';
        "location $at { $location->{$_} proxy_pass http://documents$to; }"
    } sort keys %$location;

    return <<"END";
worker_processes  $workers;
$affinity
$master
events { worker_connections  8192; }

http {
    access_log                off;
    keepalive_requests        1000000000;
    keepalive_timeout         1h;
    proxy_http_version        1.1;
    proxy_set_header          Connection "";
    proxy_buffers             16 16k;
    proxy_buffer_size         16k;
    proxy_max_temp_file_size  0;

    set_real_ip_from  127.0.0.1;
    real_ip_header    X-Forwarded-For;

    upstream documents {
        server              127.0.0.1:$self->{backend};
        keepalive           256;
        keepalive_requests  1000000000;
        keepalive_timeout   1h;
    }
$http
    server {
        listen       127.0.0.1:%%PORT%% ssl backlog=4096;
        server_name  localhost;

        ssl_certificate         %%DIR%%/localhost.pem;
        ssl_certificate_key     %%DIR%%/localhost.pem;
        ssl_client_certificate  %%DIR%%/ca.pem;
        ssl_verify_client       optional;
        ssl_protocols           TLSv1.3;
        ssl_session_cache       off;
        ssl_session_tickets     off;

        location /refused/ { return 403; }
        $server
        $locations
    }
}
END
}

sub lua {
    my ($file, $http) = @_;

    return {
        modules => ['ndk_http_module', 'ngx_http_lua_module',
                    'ngx_http_geoip2_module'],
        http => <<"END" . $http,
    geoip2 %%DIR%%/country.mmdb {
        \$cc source=\$remote_addr country iso_code;
    }

    map \$uri \$spent { default 0; ~^/spent/ 1; }

    lua_package_path
        "%%TOP%%/t/bench/peers/?.lua;/usr/share/lua/5.1/?.lua;;";
    init_by_lua_block { quota = require "$file" }
END
        location => { map { $_ =>
            'access_by_lua_block { quota.access() } '
            . 'log_by_lua_block { quota.log() }' } qw(all spent many one) },
    };
}

sub haproxy {
    my ($self, $port, %o) = @_;

    my $t = $self->{t};
    my $workers = $o{workers} // 1;
    my $conf = $haproxy;

    $conf =~ s/%%DIR%%/$t->dir/ge;
    $conf =~ s/%%PORT%%/$port/g;
    $conf =~ s/%%BACKEND%%/$self->{backend}/g;
    $conf =~ s/%%WORKERS%%/$workers/g;

    my $file = $t->write_file('haproxy.cfg', $conf);
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$t->{dir}/haproxy.log";
        open STDERR, '>&', \*STDOUT;
        exec @{ $o{under} // [] }, $haproxy_binary, '-db', '-f', $file;
        exit 127;
    }

    push @pids, $pid;

    $t->wait_for(sub {
        IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port");
    }) or die 'haproxy does not start: ' . $t->read_file('haproxy.log');

    return { name => 'HAProxy', port => $port, workers => [ $pid ] };
}

# Those who send what a case is to a front (Test::Gate::Bench::Clients), with
# options of t/bench/load.c in addition.

sub clients {
    my ($self, $front, $case, %o) = @_;

    my %what = (from => $here, %{ $cases{$case} // die "no case \"$case\"\n" });
    my $bare = delete $what{bare};

    %what = (%what, $bare && $front->{name} eq 'bare' ? %$bare : (), %o);
    $what{warm} = 2 * ($what{connections} // 64);

    return Test::Gate::Bench::Clients->new("$front->{name}, $case",
               @{ $self->{aside} }, $self->{program}, port => $front->{port},
               %what, $self->certificates);
}

# Ends all of it, each by its own pid.

sub stop {
    my ($self) = @_;

    stop_haproxy();
    $self->{t}->stop;
}


1;
