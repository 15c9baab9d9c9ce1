import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

/**
 * What DBeaver and Metabase do, by ClickHouse's JDBC driver as it is: {@code java JdbcClient.java HOST:PORT DATABASE PASSWORD}.
 *
 * The database has a table {@code prints (symbol String, day Date, price Int32)} with VNM at 60,000 on 2026-11-20 in it.
 */
public class JdbcClient {
    public static void main(String[] given) throws SQLException {
        String url = "jdbc:clickhouse://" + given[0] + "/" + given[1];
        try (Connection reader = DriverManager.getConnection(url, new Properties())) {
            select(reader);
            prepared(reader);
            metadata(reader, given[1]);
            large(reader);
            refused(reader);
        }
        Properties sink = new Properties();
        sink.setProperty("user", "sink");
        sink.setProperty("password", given[2]);
        try (Connection writer = DriverManager.getConnection(url, sink)) {
            insert(writer);
        }
        System.out.println("jdbc: ok");
    }

    static void select(Connection reader) throws SQLException {
        try (Statement statement = reader.createStatement();
                ResultSet rows = statement.executeQuery("SELECT symbol, day, price FROM prints")) {
            expect(rows.next(), "a row");
            expect(rows.getString("symbol").equals("VNM"), "the symbol");
            expect(rows.getDate("day").equals(Date.valueOf("2026-11-20")), "the day");
            expect(rows.getInt("price") == 60_000, "the price");
            expect(rows.getMetaData().getColumnCount() == 3, "three columns");
            expect(!rows.next(), "one row only");
        }
    }

    static void prepared(Connection reader) throws SQLException {
        try (PreparedStatement statement = reader.prepareStatement("SELECT price FROM prints WHERE symbol = ? AND day = ?")) {
            statement.setString(1, "VNM");
            statement.setDate(2, Date.valueOf("2026-11-20"));
            try (ResultSet rows = statement.executeQuery()) {
                expect(rows.next() && rows.getInt(1) == 60_000, "the price by a prepared statement");
            }
            statement.setString(1, "it's none");
            try (ResultSet rows = statement.executeQuery()) {
                expect(!rows.next(), "no row of another symbol");
            }
        }
    }

    static void metadata(Connection reader, String database) throws SQLException {
        DatabaseMetaData about = reader.getMetaData();
        expect(about.getDatabaseProductName().equals("ClickHouse"), "the product's name");
        try (ResultSet tables = about.getTables(null, database, "prints", null)) {
            expect(tables.next() && tables.getString("TABLE_NAME").equals("prints"), "the table in the metadata");
        }
        int columns = 0;
        try (ResultSet found = about.getColumns(null, database, "prints", null)) {
            while (found.next()) {
                columns++;
            }
        }
        expect(columns == 3, "the columns in the metadata");
    }

    static void large(Connection reader) throws SQLException {
        long sum = 0;
        try (Statement statement = reader.createStatement();
                ResultSet rows = statement.executeQuery("SELECT number FROM numbers(300000)")) {
            while (rows.next()) {
                sum += rows.getLong(1);
            }
        }
        expect(sum == 299_999L * 150_000L, "all rows of a large result");
    }

    static void refused(Connection reader) throws SQLException {
        try (Statement statement = reader.createStatement()) {
            statement.executeUpdate("INSERT INTO prints VALUES ('X', '2026-11-20', 1)");
            throw new AssertionError("a reader wrote");
        } catch (SQLException error) {
            expect(error.getErrorCode() == 164, "READONLY, not " + error.getErrorCode() + " " + error.getMessage());
        }
        try (Statement statement = reader.createStatement()) {
            statement.executeQuery("SELECT nothing FROM prints");
            throw new AssertionError("a column that is not there was found");
        } catch (SQLException error) {
            expect(error.getErrorCode() == 47, "UNKNOWN_IDENTIFIER, not " + error.getErrorCode() + " " + error.getMessage());
        }
    }

    static void insert(Connection writer) throws SQLException {
        try (PreparedStatement statement = writer.prepareStatement("INSERT INTO prints VALUES (?, ?, ?)")) {
            for (int n = 0; n < 1_000; n++) {
                statement.setString(1, "JDBC");
                statement.setDate(2, Date.valueOf("2026-11-23"));
                statement.setInt(3, n);
                statement.addBatch();
            }
            statement.executeBatch();
        }
        try (Statement statement = writer.createStatement();
                ResultSet rows = statement.executeQuery("SELECT count(), sum(price) FROM prints WHERE symbol = 'JDBC'")) {
            expect(rows.next() && rows.getInt(1) == 1_000 && rows.getInt(2) == 499_500, "what was inserted");
        }
    }

    static void expect(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError("not found: " + what);
        }
    }
}
